"""The stages that measure and report run in the base install, which has neither TensorFlow nor Snakemake.

BASE_PYTHON, where it is set, is the Python of a virtual environment with `pip install '.[cpu]'` alone, as .ci/run makes
it; elsewhere the modules that it lacks are hidden from the environment of the tests.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from trees import Tree

LACKING = ("keras", "mlperf_loadgen", "onnxslim", "openvino", "sklearn", "snakemake", "tensorflow", "tf2onnx")
HIDE = f"""
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LACKING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""
MOST_MB = 750
RULES = ("evaluate", "latency", "collate", "page", "bundle")
BASE = os.environ.get("BASE_PYTHON")


def run(folder: Path, hidden: Path, command: str) -> subprocess.CompletedProcess[str]:
    python = Path(BASE or sys.executable).parent
    path = os.pathsep.join([str(folder / "workflow/bin"), str(python), os.defpath])
    package = os.pathsep.join([*([] if BASE else [str(hidden)]), str(folder / "workflow")])
    environment = os.environ | {"PATH": path, "PYTHONPATH": package}
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "sitecustomize.py").write_text(HIDE)
    return folder


def test_what_measures_and_reports_runs_in_the_base_install(spoiled: Tree, hidden: Path) -> None:
    status, output = spoiled.snakemake("--dry-run", "--printshellcmds", "--forcerun", *RULES)
    assert status == 0, output
    commands = re.findall(r"^ +(resbench (\w+) (?:.*\\\n)*.*?) 2>", output, re.MULTILINE)
    assert {rule for _, rule in commands} >= set(RULES)
    model = "results/onnx/pool/seed0/fp32.onnx"
    commands.append((f"resbench predict {model} results/data/samples.png", "predict"))
    commands.append(("resbench verify results", "verify"))
    commands.append(("resbench pack results -o run.crate.zip && resbench verify run.crate.zip", "pack"))
    commands.append(("resbench compare results results", "compare"))
    commands.append((f"resbench profile {model} --data results/data/test.npz --operators o.csv", "profile"))
    shutil.rmtree(spoiled.folder / "results/model_repository")  # as Snakemake does before it runs the rule
    for command, rule in dict.fromkeys(commands):
        if rule in (*RULES, "predict", "verify", "pack", "compare", "profile"):
            result = run(spoiled.folder, hidden, command)
            assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


def test_a_command_that_needs_more_names_the_extra(spoiled: Tree, hidden: Path) -> None:
    result = run(spoiled.folder, hidden, "resbench variants")
    assert result.returncode == 1
    assert re.fullmatch(
        r"resbench: error: \w+ is not installed; run pip install '\.\[train\]' in a checkout of resbench\n",
        result.stderr,
    )


@pytest.mark.skipif(not BASE, reason="BASE_PYTHON names no environment with the base install")
def test_the_base_install_is_small() -> None:
    environment = Path(BASE).parents[1]
    size = sum(path.lstat().st_size for path in environment.rglob("*") if path.is_file())
    assert size / 1e6 < MOST_MB
