"""predict: any picture, any number of them, and nothing but ONNX Runtime, numpy and Pillow."""

import io
import json
import os
import resource
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from resbench.common.errors import ResbenchError
from resbench.data.pictures import read_image
from resbench.deploy.predict import predict_images
from tiny_models import tiny_model

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def picture(path, colour, size=(50, 40), mode="RGB", **options):
    Image.new(mode, size, colour).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "colour", "likeliest"),
    [
        ("a.png", "RGB", RED, "cat 100.0 %, ship 0.0 %, dog 0.0 %"),
        ("a.jpg", "RGB", GREEN, "dog 100.0 %"),
        ("a.webp", "RGB", BLUE, "ship 100.0 %"),
        ("a.png", "RGBA", (*GREEN, 255), "dog 100.0 %"),
        ("a.png", "P", 0, "33.3 %"),
        ("a.gif", "P", 0, "33.3 %"),
        ("a.png", "L", 90, "33.3 %"),
        ("a.png", "LA", (90, 30), "33.3 %"),
        ("a.png", "1", 1, "33.3 %"),
        ("a.png", "I;16", 30000, "33.3 %"),
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


def test_broken_pictures_do_not_stop_the_rest(tmp_path, capsys):
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
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / name for name in broken] + [tmp_path / "absent.png", tmp_path / "empty", good]
    assert not predict_images(model, paths)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert out.startswith(f"{good}: cat")
    assert [line.split(": ")[2] for line in err.splitlines()] == [str(path) for path in paths[:-1]]
    assert "bomb.png: has 900 megapixels; make it smaller than 89 megapixels" in err


def test_predict_with_a_model_that_names_no_classes(tmp_path, capsys):
    model = tiny_model(tmp_path / "m.onnx", classes=json.loads("[]"))
    assert predict_images(model, [picture(tmp_path / "a.png", BLUE)])
    assert ": class 2 100.0 %" in capsys.readouterr().out


def test_a_folder_is_the_pictures_in_it(tmp_path, capsys):
    model, folder = tiny_model(tmp_path / "m.onnx"), tmp_path / "photos"
    folder.mkdir()
    picture(folder / "b.png", RED)
    picture(folder / "a.JPG", GREEN)
    (folder / "notes.txt").write_text("no picture, and not called like one")
    (folder / "c.jpg").write_bytes(b"called like one")
    (folder / "d.heic").write_bytes(b"\0\0\0\x18ftypheic")
    assert not predict_images(model, [folder])
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == [f"{folder}/a.JPG", f"{folder}/b.png"]
    assert len(err.splitlines()) == 2
    assert "c.jpg: not a readable picture" in err
    assert "d.heic: is a HEIC picture; convert it to JPEG or PNG" in err


def test_json_is_an_object_a_line_for_every_picture(tmp_path, capsys):
    good, bad = picture(tmp_path / 'a "quoted" name.png', RED), tmp_path / "bad.png"
    bad.write_bytes(b"")
    assert not predict_images(tiny_model(tmp_path / "m.onnx"), [bad, good], as_json=True)
    out, err = capsys.readouterr()
    first, second = map(json.loads, out.splitlines())
    assert (first["image"], list(first)) == (str(bad), ["image", "error"])
    assert second["image"] == str(good)
    assert [entry["class"] for entry in second["top"]] == ["cat", "ship", "dog"]
    assert second["top"][0]["probability"] == pytest.approx(1, abs=1e-3)
    assert "bad.png" in err


def stored(path, array):
    Image.fromarray(array).save(path)
    return pixels(path)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((40, 40), 0.5, np.float32), 128),
        (np.full((40, 40), 1.0, np.float32), 255),
        (np.full((40, 40), 200.0, np.float32), 200),
        (np.full((40, 40), 250 * 257.0, np.float32), 250),
        (np.full((40, 40), 200 * 256 + 7, np.uint16), 200),
        (np.full((40, 40), 1, np.int32), 1),
        (np.full((40, 40), 100 * 257, np.int32), 100),
    ],
)
def test_tiff_values_keep_their_brightness(tmp_path, values, expected):
    assert (stored(tmp_path / "a.tif", values) == expected).all()


@pytest.mark.parametrize("value", [-1.0, 1e6, float("nan"), float("inf")])
def test_tiff_values_of_unknown_range_are_one_line(tmp_path, value):
    with pytest.raises(ResbenchError, match="scale them to 0 to 255, or as floats to 0 to 1"):
        stored(tmp_path / "a.tif", np.full((40, 40), value, np.float32))


def test_one_hole_in_a_float_picture_is_seen(tmp_path):
    values = np.full((400, 400), 0.5, np.float32)
    values[200, 200] = np.nan
    with pytest.raises(ResbenchError, match="scale them"):
        stored(tmp_path / "a.tif", values)


def test_cmyk_of_a_print_shop_is_not_inverted(tmp_path):
    """Adobe's marker in a JPEG means that inks are stored inverted; Pillow writes and heeds it."""
    picture(tmp_path / "a.jpg", (0, 255, 255, 0), mode="CMYK", quality=95)
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
    assert np.abs(pixels(tmp_path / "a.jpg").astype(int) - RED).max() < 6


def test_a_photo_of_108_megapixels_is_read_at_an_eighth(tmp_path):
    """And a PNG of that size, which has to be decoded whole, is refused."""
    photo = Image.new("RGB", (12_000, 9_000), BLUE)
    photo.paste(RED, (0, 0, 6_000, 9_000))
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "a.jpg", exif=exif)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    image = pixels(tmp_path / "a.jpg").astype(int)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB; whole it has 324 MB
    assert np.abs(image[2, 16] - RED).max() < 6
    assert np.abs(image[29, 16] - BLUE).max() < 6
    Image.new("1", (12_000, 9_000)).save(tmp_path / "a.png")
    with pytest.raises(ResbenchError, match=r"a\.png: has 108 megapixels; make it smaller than 89 megapixels"):
        pixels(tmp_path / "a.png")


def test_a_progressive_jpeg_which_is_decoded_whole_may_not_be_larger_than_another_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("resbench.data.pictures.MAX_PIXELS", 1999)
    pixels(picture(tmp_path / "a.jpg", RED))
    with pytest.raises(ResbenchError, match=r"b\.jpg: has 0 megapixels; make it smaller"):
        pixels(picture(tmp_path / "b.jpg", RED, progressive=True))


def test_of_an_animation_the_first_picture_counts(tmp_path):
    frames = [Image.new("RGB", (40, 40), colour) for colour in (RED, GREEN, BLUE)]
    for name in ("a.gif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
        assert pixels(tmp_path / name)[0, 0].tolist() == list(RED)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", b"", "is empty"),
        ("a.jpg", b"text, called like a picture", "not a readable picture (PNG"),
        ("._a.jpg", b"\0\5\x16\7\0\2\0\0", "macOS's note about a file, not a picture"),
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC picture; convert it to JPEG or PNG"),
        ("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0", "is an AVIF picture"),
        ("a.pdf", b"%PDF-1.7", "is a PDF file"),
        ("a.svg", b"<svg xmlns=''/>", "is an SVG drawing"),
    ],
)
def test_what_is_no_picture_is_one_clear_line(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ResbenchError) as caught:
        pixels(tmp_path / name)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_folders_in_a_folder_are_read_and_hidden_files_are_not(tmp_path, capsys):
    model, folder = tiny_model(tmp_path / "m.onnx"), tmp_path / "photos"
    (folder / "2024/May").mkdir(parents=True)
    (folder / "__MACOSX").mkdir()
    picture(folder / "2024/May/b.png", RED)
    picture(folder / "a.png", GREEN)
    for name in ("._a.png", "__MACOSX/._b.png", "2024/.hidden.png"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    (tmp_path / "elsewhere").mkdir()
    picture(tmp_path / "elsewhere/c.png", GREEN)
    (folder / "link").symlink_to(tmp_path / "elsewhere")  # links are followed, except in circles
    (folder / "2024/circle").symlink_to(folder)
    assert predict_images(model, [folder])
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == [
        f"{folder}/{name}" for name in ("2024/May/b.png", "a.png", "link/c.png")
    ]
    assert err == ""


def test_odd_file_names_stay_on_one_line(tmp_path, capsys):
    model = tiny_model(tmp_path / "m.onnx")
    for name in (b"a\nb.png", b"\xff\xfe.png", b"c\x1b[2J.png"):
        good = picture(tmp_path / os.fsdecode(name), RED)
        assert predict_images(model, [good])
        assert predict_images(model, [good], as_json=True)
        good.write_bytes(b"")
        assert not predict_images(model, [good])
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 6
    assert len(err.splitlines()) == 3
    assert (out + err).replace("\n", "").isprintable()
    assert "\\xff\\xfe.png: cat" in out


def test_a_foreign_model_gets_its_names_from_a_file(tmp_path, capsys):
    model, image = tiny_model(tmp_path / "m.onnx", classes=[]), picture(tmp_path / "a.png", BLUE)
    for named in (model, tiny_model(tmp_path / "named.onnx")):
        (tmp_path / "labels.txt").write_text("Katze\nHund\nSchiff\n\n", encoding="utf-8-sig")  # as of Windows
        assert predict_images(named, [image], labels=tmp_path / "labels.txt")
        assert ": Schiff 100.0 %" in capsys.readouterr().out
    (tmp_path / "labels.txt").write_text("Katze\nHund\n")
    with pytest.raises(ResbenchError, match=r"has 2 names, but the model has 3 classes; write one name per line"):
        predict_images(model, [image], labels=tmp_path / "labels.txt")
    with pytest.raises(ResbenchError, match="cannot be read as text"):
        predict_images(model, [image], labels=image)


ALLOWED = ("resbench", "numpy", "onnxruntime", "PIL")

LEAN = f"""
import sys
from importlib.machinery import PathFinder
from pathlib import Path

class Lean:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in {ALLOWED}:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec and "site-packages" in str(spec.origin):
            raise ImportError(f"{{name}} is not installed here")

sys.meta_path.insert(0, Lean())
from resbench.deploy.predict import predict_images
predict_images(Path(sys.argv[1]), [Path(sys.argv[2])])
"""


def test_predict_needs_onnxruntime_numpy_and_pillow_alone(tmp_path):
    model, image = tiny_model(tmp_path / "m.onnx"), picture(tmp_path / "a.png", BLUE)
    result = subprocess.run([sys.executable, "-c", LEAN, model, image], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{image}: ship")
    stranger = subprocess.run(
        [sys.executable, "-c", LEAN.replace("from resbench", "import pandas\nfrom resbench")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "pandas is not installed here" in stranger.stderr  # or else the test would block nothing
