"""evaluate and predict: right answers for good input, one line for bad, and no file left behind."""

import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image
from resbench.benchmark.images import read_image
from resbench.benchmark.predictions import evaluate_model, load_predictions, predict_images
from resbench.data.store import Split, save_split
from resbench.errors import ResbenchError
from resbench.files import sha256
from resbench.scores import accuracy_and_loss
from tiny_models import CLASSES, tiny_model

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


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
    evaluate_model(model, data, "cpu", out, threads=1)
    found = load_predictions(out)
    assert found[2:] == (model.stat().st_size, "pool", "2", "fp32", "cpu", sha256(model))
    assert found.probabilities.shape == (600, 3)
    assert found.probabilities.dtype == np.float32
    right = 1 / (1 + 2 * np.exp(-10))
    np.testing.assert_allclose(found.probabilities[1], [(1 - right) / 2, right, (1 - right) / 2], rtol=1e-4)
    assert accuracy_and_loss(found.probabilities, found.labels)[0] == 590 / 600
    assert capsys.readouterr().err == "pool seed 2 fp32 on cpu: accuracy 0.9833, loss 0.1668 over 600 images\n"


def test_loss_of_a_certain_mistake_is_finite_as_in_keras():
    accuracy, loss = accuracy_and_loss(np.array([[1, 0], [0.25, 0.75]], np.float32), np.array([1, 1], np.uint8))
    assert accuracy == 0.5
    assert loss == pytest.approx((-np.log(1e-7) - np.log(0.75)) / 2)


def refused(match, out, *args, **kwargs):
    with pytest.raises(ResbenchError, match=match):
        evaluate_model(*args, out, **kwargs)
    assert not [path for path in out.parent.iterdir() if path.name.startswith((out.name, f".{out.stem}"))]


def test_evaluate_writes_nothing_when_it_fails(tmp_path, data):
    out = tmp_path / "p.npz"
    refused("no NVIDIA GPU|does not run on cuda", out, tiny_model(tmp_path / "a.onnx"), data, "cuda", threads=1)
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


def picture(path, colour, size=(50, 40), mode="RGB", **options):
    Image.new(mode, size, colour).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "colour", "likeliest"),
    [
        ("a.png", "RGB", RED, "cat 100.0%, ship 0.0%, dog 0.0%"),
        ("a.jpg", "RGB", GREEN, "dog 100.0%"),
        ("a.webp", "RGB", BLUE, "ship 100.0%"),
        ("a.png", "RGBA", (*GREEN, 255), "dog 100.0%"),
        ("a.png", "P", 0, "33.3%"),
        ("a.gif", "P", 0, "33.3%"),
        ("a.png", "L", 90, "33.3%"),
        ("a.png", "LA", (90, 30), "33.3%"),
        ("a.png", "1", 1, "33.3%"),
        ("a.png", "I;16", 30000, "33.3%"),
        ("a.jpg", "CMYK", (0, 255, 255, 0), "cat"),
    ],
)
def test_predict_reads_any_picture(tmp_path, capsys, name, mode, colour, likeliest):
    model = tiny_model(tmp_path / "m.onnx")
    path = picture(tmp_path / name, colour, mode=mode)
    assert predict_images(model, [path])
    line = capsys.readouterr().out
    assert line.startswith(f"{path}: ")
    assert likeliest in line


def pixels(path):
    image = read_image(path)
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8
    return image


def test_image_of_the_right_size_is_left_as_it_is(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), noise)


def test_transparency_lies_on_white(tmp_path):
    assert pixels(picture(tmp_path / "a.png", (*RED, 0), mode="RGBA")).min() == 255
    assert pixels(picture(tmp_path / "b.png", 0, mode="L", transparency=0)).min() == 255


def test_16_bit_grey_keeps_its_brightness(tmp_path):
    assert (pixels(picture(tmp_path / "a.png", 128 * 256, mode="I;16")) == 128).all()


def test_picture_is_turned_upright(tmp_path):
    """A camera held upright: stored lying, red at its left, with orientation 6, so red belongs on top."""
    stored = Image.new("RGB", (64, 64), BLUE)
    stored.paste(RED, (0, 0, 32, 64))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(tmp_path / "a.png", exif=exif)
    image = pixels(tmp_path / "a.png")
    assert image[2, 16].tolist() == list(RED)
    assert image[29, 16].tolist() == list(BLUE)


def bomb():
    """A PNG of a few bytes that claims 30,000 × 30,000 pixels."""
    stream = io.BytesIO()
    Image.new("1", (1, 1)).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = (30000).to_bytes(4) * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    return bytes(content)


def test_broken_pictures_do_not_stop_the_others(tmp_path, capsys):
    model, good = tiny_model(tmp_path / "m.onnx"), picture(tmp_path / "good.png", RED)
    broken = {
        "text.png": b"not a picture",
        "empty.png": b"",
        "cut.png": good.read_bytes()[:60],
        "bomb.png": bomb(),
        "script.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n",
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in broken] + [tmp_path / "absent.png", tmp_path, good]
    assert not predict_images(model, paths)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert out.startswith(f"{good}: cat")
    assert [line.split(": ")[2] for line in err.splitlines()] == [str(path) for path in paths[:-1]]
    assert "decompression bomb" in err


def test_predict_with_a_model_that_names_no_classes(tmp_path, capsys):
    model = tiny_model(tmp_path / "m.onnx", classes=json.loads("[]"))
    assert predict_images(model, [picture(tmp_path / "a.png", BLUE)])
    assert ": class 2 100.0%" in capsys.readouterr().out
