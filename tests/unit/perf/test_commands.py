"""The sub-commands that the measurements in perf/ run: the command line takes their words, options and all."""

import json
from pathlib import Path

import check_gpu
import convert
import harness
import latency
import numpy as np
import pandas as pd
import pytest
import scale
import typer
from resbench.cli import app

PERF = Path(harness.__file__).parent
MODELS, DATA = [Path("a.onnx"), Path("b.onnx")], Path("test.npz")
CALLS = {
    "convert": lambda: convert.convert_command("archive", "folder"),
    "latency": lambda: latency.latency_command(MODELS, DATA, "quick", "1,32", "folder"),
    **{
        f"{script.__name__}: {line.split()[0]}": lambda line=line: harness.resbench(*line.split())
        for script, stages in ((scale, scale.STAGES), (check_gpu, check_gpu.STAGES.format(device="cpu")))
        for line in stages.strip().splitlines()
    },
}


def check_words(command):
    """Parse a command as `resbench` does, without running it: an unknown or a missing option is an error."""
    *start, stage = command[:4]
    assert start == harness.resbench()
    typer.main.get_command(app).commands[stage].make_context(stage, command[4:])


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_command_line_takes_the_words(call):
    check_words(call())


def test_collate_takes_the_words_of_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "TEST_IMAGES", 4)
    (tmp_path / "parity.json").write_text(json.dumps({}))
    np.savez(tmp_path / "predictions.npz", probabilities=np.zeros((4, 2), np.float32))
    pd.DataFrame({"latency_ms": [1.0]}).to_csv(tmp_path / "samples.csv")
    command = scale.collate_command(61, tmp_path)
    assert command.count("--predictions") == 61
    check_words(command)


def test_every_script_has_its_commands_from_the_harness():
    """Otherwise the tests above miss them."""
    written = {path.name for path in PERF.glob("*.py") if '"resbench"' in path.read_text()}
    assert written == {"harness.py"}
    asking = {path.stem for path in PERF.glob("*.py") if "harness.resbench(" in path.read_text()}
    assert asking == {"check_gpu", "convert", "latency", "scale"}
