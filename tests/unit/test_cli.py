"""Every stage as a person calls it: bad input is one line and exit status 1, and leaves nothing behind."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from resbench.cli import app
from resbench.common.errors import ResbenchError
from resbench.data.store import Split, save_split
from tiny_models import tiny_model
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]

# The words of each stage's command line; IN is the input that is spoiled, OUT… what it would write.
STAGES = {
    "download": ["download", "OUT1", "--sha256", "0" * 64, "--source", "IN"],
    "convert": ["convert", "IN", "--train", "OUT1", "--test", "OUT2"],
    "extraset": ["extraset", "IN", "--like", "DATA", "--output", "OUT1"],
    "corrupt": ["corrupt", "--data", "IN", "--output", "OUT1"],
    "robustness": ["robustness", "--results", "OUT1", "--checksums", "OUT2", "--data", "DATA", "--predictions", "IN"],
    "train": [
        *("train", "pool", "--data", "IN", "--seed", "0", "--device", "cpu"),
        *("--model", "OUT.keras", "--history", "OUT2", "--checked", "CHECKED"),
    ],
    "export": ["export", "IN", "--data", "DATA", "--onnx", "OUT1", "--parity", "OUT2"],
    "quantize": ["quantize", "IN", "--data", "DATA", "--precision", "int8", "--onnx", "OUT1"],
    "evaluate": ["evaluate", "IN", "--data", "DATA", "--provider", "cpu", "--predictions", "OUT1"],
    "latency": ["latency", "IN", "--provider", "cpu", "--samples", "OUT1", "--host", "OUT2"],
    "profile": ["profile", "IN", "--operators", "OUT1"],
    "measure": ["measure", "IN", "--output", "OUT1"],
    "scenarios": ["scenarios", "IN", "--data", "DATA", "--provider", "cpu", "--results", "OUT1"],
    "collate": [
        *(
            "collate",
            "--report",
            "OUT1",
            "--comparisons",
            "OUT2",
            "--recommendation",
            "OUT3",
            "--markdown",
            "OUT4",
            "--checksums",
            "OUT5",
        ),
        *("--summary", "IN", "--parity", "IN", "--predictions", "IN", "--samples", "IN", "--host", "IN"),
        *("--name", "mine", "--provider", "cpu"),
    ],
    "page": [
        *("page", "--page", "OUT1", "--figures", "OUT2", "--checksums", "OUT3", "--report", "IN"),
        *("--comparisons", "IN", "--history", "IN"),
        *("--predictions", "IN", "--samples", "IN", "--host", "IN", "--test", "DATA", "--summary", "IN"),
        *("--recommendation", "IN"),
    ],
    "bundle": [
        *("bundle", "IN", "--predictions", "IN", "--report", "IN", "--recommendation", "IN", "--data", "DATA"),
        *("--folder", "OUT1"),
    ],
    "predict": ["predict", "IN", "DATA"],
    "pack": ["pack", "IN", "--output", "OUT1"],
    "verify": ["verify", "IN"],
}
SPOILED = {"missing": None, "garbage": bytes(range(256)) * 40}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "test.npz"
    images, labels = np.zeros((4, 32, 32, 3), np.uint8), np.array([0, 1, 0, 1], np.uint8)
    save_split(path, Split(images, labels, np.array(["no", "yes"])))
    return path


def resbench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "resbench", *words], capture_output=True, text=True, timeout=300)


# TensorFlow's start makes the stages that need it slow: one kind of damage serves them here.
CASES = [(stage, kind) for stage in STAGES for kind in (["garbage"] if stage in ("train", "export") else SPOILED)]


@pytest.mark.parametrize(("stage", "kind"), CASES)
def test_bad_input_is_one_line_and_nothing_is_left(stage: str, kind: str, data: Path, tmp_path: Path) -> None:
    spoiled, outputs = tmp_path / "input.bin", tmp_path / "outputs"
    outputs.mkdir()
    if SPOILED[kind] is not None:
        spoiled.write_bytes(SPOILED[kind])
    checked = tmp_path / "checked.json"
    checked.write_text('{"variant": "pool"}')
    places = {"IN": spoiled, "DATA": data, "CHECKED": checked, "OUT.keras": outputs / "out.keras"}
    places |= {f"OUT{number}": outputs / f"out{number}" for number in range(1, 6)}
    result = resbench(*(str(places.get(word, word)) for word in STAGES[stage]))
    errors = [line for line in result.stderr.splitlines() if line.startswith("resbench: error: ")]
    assert result.returncode == 1, result.stderr
    assert len(errors) == 1, result.stderr
    assert str(spoiled) in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert list(outputs.iterdir()) == []


COMMANDS = {command.callback.__name__: command.callback for command in app.registered_commands if command.callback}


@pytest.mark.parametrize("stage", COMMANDS)
def test_help_says_what_the_stage_does(stage: str) -> None:
    result = CliRunner().invoke(app, [stage, "--help"])
    assert result.exit_code == 0
    purpose = COMMANDS[stage].__doc__.partition("\n\n")[0]
    assert len(purpose) > 20
    assert " ".join(purpose.split()) in " ".join(result.stdout.split())
    elsewhere = ("check", "compare", "digits", "variants")
    assert stage in STAGES or stage in elsewhere, "a stage whose bad input is not tested here"


@pytest.mark.parametrize("words", ["", "pack", "compare"])
def test_paragraphs_of_the_help_are_broken_where_the_terminal_ends(words: str) -> None:
    prose = CliRunner().invoke(app, [*words.split(), "--help"]).stdout.partition("╭")[0]
    lines = [line.strip() for line in prose.splitlines()]
    for line, following in itertools.pairwise(lines):
        if line and following:
            assert len(f" {line} {following.split()[0]}") > 78


COLLATE = "collate --report r --comparisons c --recommendation j --markdown m --checksums k --summary s --parity p"
WRONG_USAGE = {
    "no such stage": "nonsense",
    "nothing to convert": "convert",
    "no such provider": "evaluate x --provider tpu",
    "a seed below 0": "train pool --data a --seed -1 --model m --history h",
    "a batch size twice": "measure m --output o --batch-sizes 1,1",
    "no such precision": f"{COLLATE} --predictions p --samples a --host h --precision fp64",
    "timings without host": f"{COLLATE} --predictions p --samples a --samples b --host h",
    "an option of a provider that is not measured": "measure m --output o --provider-option cuda.use_tf32=0",
    "an option of a provider that evaluates nothing": (
        "evaluate m --data d --provider cpu --predictions p --provider-option cuda.use_tf32=0"
    ),
    "an option of a provider without scenarios": (
        "scenarios m --data d --provider cpu --results r --provider-option cuda.use_tf32=0"
    ),
}


@pytest.mark.parametrize("words", WRONG_USAGE.values(), ids=WRONG_USAGE)
def test_wrong_usage_is_status_2(words: str) -> None:
    assert CliRunner().invoke(app, words.split()).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        *("evaluate m --data d --provider cpu --predictions OUT", "profile m --operators OUT"),
        *("latency m --provider cpu --samples s --host OUT", "scenarios m --data d --provider cpu --results OUT"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused_before_the_work(words: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, said in ((tmp_path, "is a folder; name a file"), (tmp_path / "file/out", "is not a folder")):
        result = CliRunner().invoke(app, words.replace("OUT", str(place)).split())
        assert isinstance(result.exception, ResbenchError)
        assert said in str(result.exception)


def test_too_little_memory_is_one_line(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "m.onnx")
    result = resbench("profile", str(model), "--operators", str(tmp_path / "o.csv"), "--batch-size", str(10**13))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("resbench: error: not enough memory (")


def test_files_in_the_working_directory_are_no_modules(tmp_path):
    """The command of the rules, in a folder with files named as modules that it imports."""
    for name in ("resbench", "queue", "typer", "keras"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong file')\n")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = str(ROOT / "workflow")
    command = [ROOT / "workflow/bin/resbench", "--help"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Train, export and measure" in result.stdout
