"""Environments of the jobs other than .venv: checked here as far as that goes without conda, Docker and Apptainer."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from test_pins import LOCKS, canonical, pins

ROOT = Path(__file__).parents[2]
CONTAINERS = ROOT / "containers"


def test_conda_gives_the_jobs_the_versions_of_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "workflow/envs/resbench.yaml").read_text())
    python, pip, packages = environment["dependencies"]
    assert (python, pip) == ("python=3.12", "pip")
    found = {canonical(line.partition("==")[0]): re.split("==|[ ;]", line)[1] for line in packages["pip"]}
    locked = pins("requirements-gpu.lock")
    assert {name: version for name, version in found.items() if version not in locked.get(name, ())} == {}
    assert {"onnxruntime-gpu", "tensorflow", "tf2onnx", "openvino", "nvidia-cudnn-cu12"} <= found.keys()
    assert "snakemake" not in found


def test_every_rule_has_the_one_environment() -> None:
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    environments = re.findall(r' +conda:\n +"(.*)"', text)
    assert set(environments) == {"../envs/resbench.yaml"}
    assert len(environments) == len(re.findall(r"^ *rule \w+:$", text, re.MULTILINE))


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-gpu.lock"])
def test_the_containers_copy_files_that_are_there(lock: str) -> None:
    copied = re.findall(r"^COPY (\S+) \S+$", (CONTAINERS / "Containerfile").read_text(), re.MULTILINE)
    copied += ["pyproject.toml", "README.md"]  # two in one line
    definition = (CONTAINERS / "resbench.def").read_text()
    files = re.search(r"^%files\n((?: .*\n)+)", definition, re.MULTILINE)[1]
    copied += [line.split()[0] for line in files.splitlines() if line.strip().startswith(("pyp", "READ", "workflow"))]
    assert "{{ LOCK }} /opt" in files
    assert {path for path in copied if not (ROOT / path.replace("${LOCK}", lock)).exists()} == set()
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {path.replace("${LOCK}", lock) for path in copied} <= allowed


def test_the_definition_has_the_sections_that_apptainer_knows() -> None:
    definition = (CONTAINERS / "resbench.def").read_text()
    sections = re.findall(r"^%(\w+)$", definition, re.MULTILINE)
    assert sections == ["arguments", "files", "post", "environment", "runscript", "test"]
    assert re.search(r"^Bootstrap: docker\nFrom: python:3\.12", definition, re.MULTILINE)


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_knows_which_lock_file_was_installed_last(tmp_path: Path) -> None:
    """One environment holds one lock file's packages: its stamp must not survive the installation of another's."""
    for name in ("Makefile", "pyproject.toml", *LOCKS):
        shutil.copy(ROOT / name, tmp_path)
    program = tmp_path / ".venv/bin/pip"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for lock in (*LOCKS, LOCKS[0]):
        command = ["make", "PYTHON=true", f"LOCK={lock}", f".venv/{lock}.installed"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        assert [path.name for path in tmp_path.glob(".venv/*.installed")] == [f"{lock}.installed"]


def test_both_containers_stand_on_the_same_python() -> None:
    bases = [
        re.search(pattern, (CONTAINERS / name).read_text(), re.MULTILINE)[1]
        for name, pattern in (("Containerfile", r"^FROM docker\.io/library/(\S+)"), ("resbench.def", r"^From: (\S+)"))
    ]
    assert bases[0] == bases[1]


def test_the_workflow_names_the_image_that_the_definition_builds() -> None:
    image = re.search(r'^container: "(.*)"$', (ROOT / "workflow/Snakefile").read_text(), re.MULTILINE)[1]
    assert f"apptainer build {image} containers/resbench.def" in (CONTAINERS / "resbench.def").read_text()


def test_ci_runs_targets_that_there_are() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    steps = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = [words for step in steps for words in re.findall(r"^make (\w+)", step, re.MULTILINE)]
    assert set(targets) == {"lint", "test"}
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
