"""evaluate: right answers for good input, one line for bad, and no file left behind."""

import numpy as np
import pytest
from resbench.benchmark import predictions
from resbench.benchmark.predictions import evaluate_test_sets, load_predictions
from resbench.common.errors import ResbenchError
from resbench.common.files import sha256
from resbench.data.store import Split, save_split
from resbench.statistics.metrics import accuracy_and_loss
from tiny_models import CLASSES, tiny_model


@pytest.fixture
def data(tmp_path):
    """600 images, more than two batches: red, green and blue in turn, the first ten labelled wrongly."""
    labels = np.arange(600, dtype=np.uint8) % 3
    images = np.zeros((600, 32, 32, 3), np.uint8)
    images[np.arange(600), :, :, labels] = 255
    labels[:10] = (labels[:10] + 1) % 3
    path = tmp_path / "test.npz"
    save_split(path, Split(images, labels, np.array(CLASSES)))
    return path


def test_evaluate_keeps_every_probability_and_says_the_accuracy(tmp_path, data, capsys):
    model, out = tiny_model(tmp_path / "m.onnx", seed="2"), tmp_path / "deep" / "p.npz"
    evaluate_test_sets(model, [(data, out)], "cpu", threads=1)
    found = load_predictions(out)
    assert found[2:] == (model.stat().st_size, "pool", "2", "fp32", "cpu", sha256(model), "test")
    assert found.probabilities.shape == (600, 3)
    np.testing.assert_array_equal(found.correct, np.arange(600) >= 10)
    assert found.probabilities.dtype == np.float32
    right = 1 / (1 + 2 * np.exp(-10))
    np.testing.assert_allclose(found.probabilities[1], [(1 - right) / 2, right, (1 - right) / 2], rtol=1e-4)
    assert accuracy_and_loss(found.probabilities, found.labels)[0] == 590 / 600
    assert capsys.readouterr().err == "pool seed 2 fp32 on cpu: accuracy 0.9833, loss 0.1668 over 600 images\n"


def test_evaluate_uses_the_threads_and_options_asked_for(tmp_path, data, monkeypatch):
    asked = []

    def spy(model, *arguments):
        asked.append(arguments)
        raise ResbenchError("enough")

    monkeypatch.setattr(predictions, "open_session", spy)
    with pytest.raises(ResbenchError, match="enough"):
        evaluate_test_sets(tmp_path / "m.onnx", [(data, tmp_path / "p.npz")], "cuda", threads=3, options={"a": "b"})
    assert asked == [("cuda", 3, {"a": "b"})]


def test_loss_of_a_certain_mistake_is_finite_as_in_keras():
    accuracy, loss = accuracy_and_loss(np.array([[1, 0], [0.25, 0.75]], np.float32), np.array([1, 1], np.uint8))
    assert accuracy == 0.5
    assert loss == pytest.approx((-np.log(1e-7) - np.log(0.75)) / 2)


def refused(match, out, model, data, provider, **kwargs):
    with pytest.raises(ResbenchError, match=match):
        evaluate_test_sets(model, [(data, out)], provider, **kwargs)
    assert not [path for path in out.parent.iterdir() if path.name.startswith((out.name, f".{out.stem}"))]


def test_evaluate_writes_nothing_when_it_fails(tmp_path, data, no_gpu):
    out = tmp_path / "p.npz"
    refused("no NVIDIA GPU here", out, tiny_model(tmp_path / "a.onnx"), data, "cuda", threads=1)
    refused("NaN", out, tiny_model(tmp_path / "b.onnx", scale=float("inf")), data, "cpu", threads=1)
    other = tiny_model(tmp_path / "c.onnx", classes=["a", "b", "c"])
    refused("its classes are not those of", out, other, data, "cpu", threads=1)


def test_evaluate_refuses_another_number_of_classes(tmp_path, data):
    split = Split(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1, np.uint8), np.array(["a", "b"]))
    save_split(tmp_path / "two.npz", split)
    foreign = tiny_model(tmp_path / "m.onnx", variant=None)
    refused("its classes are not those of", tmp_path / "p.npz", foreign, tmp_path / "two.npz", "cpu", threads=1)


GOOD = {
    "probabilities": np.full((4, 2), 0.5, np.float32),
    "labels": np.array([0, 1, 0, 1], np.uint8),
    "model_bytes": np.array(1),
    **{key: np.array("x") for key in ("variant", "seed", "precision", "provider", "model_sha256")},
}


@pytest.mark.parametrize(
    "change",
    [
        {"probabilities": None},
        {"seed": None},
        {"model_bytes": None},
        {"model_bytes": np.array([1, 2])},
        {"model_bytes": np.array(0)},
        {"seed": np.array(["0", "1"])},
        {"labels": np.array([0, 1], np.uint8)},
        {"labels": np.array([0, 1, 2, 0], np.uint8)},
        {"labels": np.zeros(0, np.uint8), "probabilities": np.zeros((0, 2), np.float32)},
        {"probabilities": np.full((4, 2), np.nan, np.float32)},
        {"probabilities": np.full((4, 2), 0.5)},
        {"variant": np.array({"pickled": "code"}, dtype=object)},
    ],
)
def test_malformed_predictions_are_refused(tmp_path, change):
    path = tmp_path / "p.npz"
    np.savez(path, **{key: value for key, value in (GOOD | change).items() if value is not None})
    with pytest.raises(ResbenchError, match=r"p\.npz: not a readable predictions file .* `resbench evaluate`"):
        load_predictions(path)


def test_damaged_predictions_are_refused(tmp_path):
    path = tmp_path / "p.npz"
    np.savez_compressed(path, **GOOD)
    with pytest.raises(ResbenchError, match="compressed"):
        load_predictions(path)
    np.savez(path, **GOOD)
    assert load_predictions(path).variant == "x"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ResbenchError, match="not a readable"):
        load_predictions(path)
    with pytest.raises(ResbenchError, match="no such file"):
        load_predictions(tmp_path / "absent.npz")
