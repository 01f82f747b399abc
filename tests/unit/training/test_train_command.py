"""`resbench train` as a whole process: repeatable, resumable after a real kill -9, clear when it fails."""

import csv
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import resbench.networks.deep  # noqa: F401  Keras must know its layer to load one
from resbench.data.store import Split, load_split, save_split
from resbench.training.loop import measure
from resbench.training.record import read_record

EPOCHS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "train.npz"
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (80, 32, 32, 3), dtype=np.uint8)
    save_split(path, Split(images, random.integers(0, 10, 80).astype(np.uint8), np.array(list("abcdefghij"))))
    return path


def command(folder, data, *options):
    checked = data.with_name("checked.json")
    checked.write_text('{"variant": "resnet20"}')
    return [
        *(sys.executable, "-m", "resbench", "train", "resnet20", "--seed", "7", "--data", data, "--test", data),
        *("--model", folder / "model.keras", "--history", folder / "history.csv", "--checkpoints", folder / "saved"),
        *("--epochs", str(EPOCHS), "--device", "cpu", "--threads", "2", "--checked", checked),
        *options,
    ]


def run(folder, data, *options):
    return subprocess.run(command(folder, data, *options), capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("uninterrupted")
    result = run(folder, data)
    assert result.returncode == 0, result.stderr
    return folder


def assert_same_network(one, other, data):
    first, second = (keras.models.load_model(folder / "model.keras", compile=False) for folder in (one, other))
    for mine, theirs in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    images = np.load(data)["images"][:8]
    np.testing.assert_array_equal(first(images), second(images))


def test_one_seed_gives_one_result(uninterrupted, data, tmp_path):
    assert run(tmp_path, data).returncode == 0
    assert_same_network(uninterrupted, tmp_path, data)


def test_a_killed_job_goes_on_and_ends_the_same(uninterrupted, data, tmp_path):
    process = subprocess.Popen(command(tmp_path, data), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not (tmp_path / "saved" / "epoch0001.npz").exists():
        assert process.poll() is None, "the job ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (tmp_path / "model.keras").exists()

    result = run(tmp_path, data)
    assert result.returncode == 0, result.stderr
    assert (
        f"resumed after epoch 1 of {EPOCHS}" in result.stderr or f"resumed after epoch 2 of {EPOCHS}" in result.stderr
    )
    assert_same_network(uninterrupted, tmp_path, data)
    assert not (tmp_path / "saved").exists()
    losses = [[row["loss"] for row in rows(folder)] for folder in (uninterrupted, tmp_path)]
    assert losses[0] == losses[1]


def rows(folder):
    with (folder / "history.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_history_has_a_row_an_epoch_and_test_figures_in_the_last(uninterrupted, data):
    history = rows(uninterrupted)
    model = keras.models.load_model(uninterrupted / "model.keras", compile=False)
    accuracy, loss = measure(model, load_split(data))
    assert float(history[-1]["test_accuracy"]) == pytest.approx(accuracy)
    assert float(history[-1]["test_loss"]) == pytest.approx(loss, rel=1e-4)
    assert read_record(uninterrupted / "model.keras")["threads"] == 2
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert [bool(row["test_accuracy"]) for row in history] == [False, False, True]
    assert all(float(row["images_per_second"]) > 0 and float(row["seconds"]) > 0 for row in history)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--device", "gpu"], "finds no GPU"),
        (["--validation", "80"], "leaves none"),
        (["--model", "model.h5"], "name a file that ends in .keras"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_1(data, tmp_path, monkeypatch, options, complaint):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")  # no GPU, on whatever machine this runs
    result = run(tmp_path, data, *options)
    assert result.returncode == 1
    assert complaint in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not any(tmp_path.iterdir())


def test_what_a_gpu_does_by_default_trains_and_is_saved_in_float32(data, tmp_path):
    """XLA and mixed precision, with max pooling in the network."""
    result = run(tmp_path, data, "--xla", "--mixed-precision", "float16", "--epochs", "1", "--limit", "8")
    assert result.returncode == 0, result.stderr
    assert read_record(tmp_path / "model.keras")["mixed_precision"] == "float16"
    model = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert {layer.compute_dtype for layer in model.layers} <= {"float32", "uint8"}
