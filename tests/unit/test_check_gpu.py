"""`make check-gpu`: what it says without a GPU, and its checks as far as a CPU can stand in for one."""

import os
import subprocess
import sys
from pathlib import Path

import check_gpu
import harness
import numpy as np
import pytest
from resbench.common.errors import ResbenchError
from resbench.data.store import Split, save_split
from resbench.runtime.sessions import missing
from tiny_models import CLASSES, tiny_model

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(missing("cuda") is None, reason="needs a machine without GPU")
def test_without_a_gpu_it_says_what_is_needed():
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    command = [sys.executable, ROOT / "perf/check_gpu.py"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (1, "")
    *versions, found, verdict = result.stdout.splitlines()
    assert "onnxruntime" in "".join(versions)
    assert found.startswith("FAIL  GPU: nvidia-smi names no card")
    assert "driver 525 or newer" in found
    assert verdict == "FAIL: GPU"


def test_the_driver_is_the_one_that_the_documentation_names():
    needed = check_gpu.DRIVER
    assert f"**{needed} or newer**" in (ROOT / "docs/hpc.md").read_text()
    assert f"driver {needed} or newer" in (ROOT / "README.md").read_text()
    card = {"name": "A card", "driver": f"{needed}.60.13"}
    assert check_gpu.check_driver([card]) == f"A card, driver {needed}.60.13"
    with pytest.raises(ResbenchError, match=r"driver 470\.256\.02 is older than 525"):
        check_gpu.check_driver([card | {"driver": "470.256.02"}])


@pytest.fixture
def folder(tmp_path):
    """As the stages leave it, with tiny models."""
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), np.uint8)
    save_split(tmp_path / "test.npz", Split(images, np.zeros(64, np.uint8), np.array(CLASSES)))
    tiny_model(tmp_path / "fp32.onnx")
    return tmp_path


def test_a_session_reports_its_nodes_and_how_its_outputs_differ(folder):
    words = check_gpu.run_on("cpu", "fp32", folder)
    assert words.startswith("100.0 % of 4 nodes are its own; it names the class of fp32 on the CPU for 100.00 % of 64 ")
    assert words.endswith("difference of a probability 0.0e+00")


@pytest.mark.parametrize("scale", [-10.0, 1000.0])  # another class, or the same one with another probability
def test_outputs_that_differ_fail(folder, scale):
    tiny_model(folder / "fp16.onnx", scale=scale)
    with pytest.raises(ResbenchError, match=r"wanted: 100 %, 99 % or more, 0\.05 or less"):
        check_gpu.run_on("cpu", "fp16", folder)


def test_nodes_of_another_provider_fail(folder, monkeypatch):
    answers = np.full((64, 3), 1 / 3, np.float32)
    nodes = {"CPUExecutionProvider": 1, "CUDAExecutionProvider": 3}
    monkeypatch.setattr(harness, "fresh", lambda *_: (nodes, answers))
    with pytest.raises(ResbenchError, match=r"^75\.0 % of 4 nodes"):
        check_gpu.run_on("cuda", "fp32", folder)


def test_a_stage_that_fails_is_named_with_what_it_said(tmp_path):
    (tmp_path / "digits.tar").mkdir()
    with pytest.raises(ResbenchError, match=r"`resbench digits digits\.tar`: resbench: error: "):
        check_gpu.run_stages(tmp_path, "cpu")


def test_whatever_goes_wrong_is_one_line_with_the_fix():
    assert check_gpu.attempt("a", "the fix", str, 7) == ("a", True, "7")
    crashed = check_gpu.attempt("a", "the fix", harness.fresh, os.abort)
    assert (crashed.passed, crashed.text.endswith(".  Fix: the fix")) == (False, True)
    raised = check_gpu.attempt("a", "the fix", harness.fresh, int, "two\nlines")
    assert raised.text == r"invalid literal for int() with base 10: 'two\nlines'.  Fix: the fix"
