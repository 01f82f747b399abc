"""All pins held together: pyproject.toml, both lock files and environment.yml."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from resbench.cli import EXTRAS

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-gpu.lock"]
SHARED = ("train", "workflow", "scenarios", "openvino", "dev")  # extras in both
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(lock: str) -> list[str]:
    """One string a requirement, its hashes with it."""
    joined = (ROOT / lock).read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def pins(lock: str) -> dict[str, set[str]]:
    """Versions by package; more than one where they depend on the platform."""
    found: dict[str, set[str]] = {}
    for line in requirements(lock):
        match = PIN.match(line)
        assert match, f"{lock}: {line[:60]} is no exact pin"
        found.setdefault(canonical(match[1]), set()).add(match[2])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_hashed(lock: str) -> None:
    assert len(requirements(lock)) > 50
    assert [line[:60] for line in requirements(lock) if "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_the_exact_pins_are_those_of_the_project(lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    own = ("gpu", "train-gpu") if "gpu" in lock else ("cpu",)
    wanted = project["dependencies"] + [text for name in (*own, *SHARED) for text in extras[name]]
    wanted = [text for text in wanted if not text.startswith("resbench[")]
    locked = pins(lock)
    exact = [match for text in wanted if (match := PIN.match(text))]
    assert len(exact) >= 8
    for name, version in (match.groups() for match in exact):
        assert locked[canonical(name)] == {version}, name
    for text in wanted:
        assert canonical(re.split(r"[\[<>=;\s]", text)[0]) in locked, f"{text}: run make lock"


def test_both_locks_agree_on_what_they_share() -> None:
    cpu, gpu = map(pins, LOCKS)
    assert set(cpu) <= set(gpu)
    assert {name: (cpu[name], gpu[name]) for name in cpu if cpu[name] != gpu[name]} == {}


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_machine_gets_both_wheels_of_onnx_runtime(lock: str, machine: str) -> None:
    """They write the same folder."""
    wheels = [Requirement(line.partition("--hash")[0]) for line in requirements(lock) if line.startswith("onnxruntime")]
    here = {"sys_platform": "linux", "platform_machine": machine}
    assert len([wheel for wheel in wheels if wheel.marker is None or wheel.marker.evaluate(here)]) == 1


def test_every_extra_that_a_message_names_is_there() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS.values()) <= set(extras)


def test_nobody_is_told_to_install_resbench_from_a_package_index() -> None:
    """It is on none: from a checkout, or from its repository."""
    texts = [*ROOT.glob("workflow/**/*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]
    told = [line for path in texts for line in path.read_text().splitlines() if re.search(r"install '?resbench", line)]
    assert [line for line in told if "@ git+" not in line] == []
    assert told


def test_only_the_gpu_lock_brings_cuda() -> None:
    cuda = [{name for name in pins(lock) if re.search("nvidia|cuda|cudnn|tensorrt", name)} for lock in LOCKS]
    assert cuda[0] == set()
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12"} <= cuda[1]
    assert not [name for name in cuda[1] if name.endswith("cu13")]  # overwrites cu12's files without a word


def test_conda_installs_the_gpu_lock() -> None:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert {"pip": ["-r requirements-gpu.lock"]} in dependencies


def test_no_file_names_a_package_index() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    hosts = re.compile("pypi" + r"\.org|" + "python" + r"hosted\.org|--(extra-)?index" + "-url=?[ =]*(https?|file):")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert len(paths) > 20
    assert [str(path) for path in paths if hosts.search(path.read_text(errors="replace"))] == []
