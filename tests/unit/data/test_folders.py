"""Pictures in folders: from a folder or an archive to two splits, whatever cameras and file managers leave in it."""

import io
import json
import socket
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from resbench.common.errors import ResbenchError
from resbench.data.containers import Entry
from resbench.data.convert import convert_archive
from resbench.data.datasets import DATASETS
from resbench.data.fingerprint import fingerprint
from resbench.data.folders import MAX_TOTAL, PictureFolder
from resbench.data.sources import download_archive
from resbench.data.store import load_split
from resbench.data.streams import Budget

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def picture(path, colour, size=(40, 50), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)


def noise(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)).save(path)


def load(folder, out, expected=None):
    """What the stages `download` and `convert` make of a folder or an archive."""
    record = download_archive(out / "archive", [str(folder)], expected, min_rate_kb=0, window_s=1)
    (out / "source.json").write_text(json.dumps(record))
    outputs = {"record": out / "source.json", "summary": out / "summary.json", "samples": out / "samples.png"}
    convert_archive(out / "archive", out / "train.npz", out / "test.npz", **outputs)
    return load_split(out / "train.npz"), load_split(out / "test.npz"), json.loads((out / "summary.json").read_text())


@pytest.fixture
def photos(tmp_path):
    """Two classes, train and test apart."""
    folder = tmp_path / "photos"
    for number in range(3):
        picture(folder / f"train/red/{number}.png", RED)
        picture(folder / f"train/größe/sub/{number}.jpg", BLUE)
    picture(folder / "test/red/a.webp", RED, lossless=True)
    picture(folder / "test/größe/b.gif", BLUE)
    return folder


def test_classes_and_splits_follow_from_the_folders(photos, tmp_path, capsys):
    picture(photos / "test/größe/b.gif", GREEN)
    train, test, summary = load(photos, tmp_path)
    assert train.classes.tolist() == ["größe", "red"]
    assert (sorted(train.labels.tolist()), test.labels.tolist()) == ([0] * 3 + [1] * 3, [0, 1])
    assert train.images[train.labels == 1].reshape(-1, 3).tolist() == [list(RED)] * 3 * 1024
    assert (summary["layout"], summary["source"], summary["unreadable"]) == ("pictures", str(photos), [])
    assert summary["test_images_in_train"] == 1  # the red one
    assert summary["sha256"] == fingerprint(str(photos))


@pytest.mark.parametrize("container", ["zip", "tar"])
def test_an_archive_of_folders_is_the_same(photos, tmp_path, container):
    packed = tmp_path / f"photos.{container}"
    files = [path for path in sorted(photos.rglob("*")) if path.is_file()]
    if container == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for path in files:
                archive.write(path, path.relative_to(photos.parent))
    else:
        with tarfile.open(packed, "w") as archive:
            archive.add(photos, "photos")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for one, other in zip(load(photos, tmp_path / "a")[:2], load(packed, tmp_path / "b")[:2], strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_names_in_utf8_without_its_flag_are_read_as_they_are(photos, tmp_path, monkeypatch):
    """As macOS's Finder writes a zip archive."""
    monkeypatch.setattr(zipfile.ZipInfo, "_encodeFilenameFlags", lambda info: (info.filename.encode(), info.flag_bits))
    files = {path.relative_to(photos).as_posix(): path for path in photos.rglob("*") if path.is_file()}
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name, path in files.items():
            archive.write(path, name)
    train, _, _ = load(tmp_path / "photos.zip", tmp_path)
    assert train.classes.tolist() == ["größe", "red"]


def test_a_file_called_like_its_folder_is_left_out(photos, tmp_path):
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("."))
        archive.add(photos, "photos")
    assert load(tmp_path / "photos.tar", tmp_path)[2]["unreadable"] == ["."]


def test_own_images_compared_with_a_datasets_hash_are_told_so(photos, tmp_path):
    with pytest.raises(ResbenchError, match=r"that of CIFAR-10; for your own images, set data\.dataset: custom"):
        load(photos, tmp_path, DATASETS["cifar10"].sha256)


def test_one_level_is_split_by_content_and_stratified(tmp_path):
    folder = tmp_path / "photos"
    for number in range(18):
        noise(folder / f"cat/{number}.png", number)
    for number in range(6):
        noise(folder / f"dog/{number}.png", 100 + number)
    train, test, _ = load(folder, tmp_path)
    assert np.bincount(train.labels).tolist() == [15, 5]
    assert np.bincount(test.labels).tolist() == [3, 1]
    seen = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in seen for image in test.images)
    for number in range(18):  # other names, the same choice
        (folder / f"cat/{number}.png").rename(folder / f"cat/renamed{17 - number}.png")
    (tmp_path / "again").mkdir()
    _, again, _ = load(folder, tmp_path / "again")
    assert {image.tobytes() for image in again.images} == {image.tobytes() for image in test.images}


def test_training_pictures_are_mixed_whatever_their_names(photos, tmp_path):
    for number in range(20):
        noise(photos / f"train/red/noise{number}.png", number)
        noise(photos / unicodedata.normalize("NFD", f"train/größe/noise{number}.png"), 100 + number)  # as of macOS
    train, _, _ = load(photos, tmp_path)
    assert set(train.labels[:10]) == set(train.labels[-10:]) == {0, 1}
    (photos / "train/red/noise0.png").rename(photos / "train/red/z.png")
    (tmp_path / "again").mkdir()
    again, _, _ = load(photos, tmp_path / "again")
    np.testing.assert_array_equal(train.images, again.images)


def test_equal_pictures_never_lie_on_both_sides(tmp_path):
    folder = tmp_path / "photos"
    for number in range(12):
        noise(folder / f"cat/{number}.png", number // 6)
        noise(folder / f"dog/{number}.png", 100 + number)
    train, test, _ = load(folder, tmp_path)
    seen = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in seen for image in test.images)
    assert np.bincount(train.labels).tolist() == [6, 10]


def test_a_changed_folder_has_another_hash(photos, monkeypatch):
    def now():
        fingerprint.cache_clear()
        return fingerprint(str(photos))

    first = now()
    (photos / "train/red/0.png").touch()
    (photos / ".DS_Store").write_bytes(b"x")
    monkeypatch.chdir(photos)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as stream:
        stream.bind("socket")
    assert now() == first
    noise(photos / "train/red/0.png", 1)
    second = now()
    assert second != first
    (photos / "train/red/0.png").rename(photos / "train/red/9.png")
    assert now() != second


def test_links_to_folders_are_followed_and_loops_end(photos, tmp_path):
    expected = fingerprint(str(photos))
    (photos / "train/red").rename(tmp_path / "elsewhere")
    (photos / "train/red").symlink_to(tmp_path / "elsewhere")
    (photos / "train/red/loop").symlink_to(photos / "train")
    fingerprint.cache_clear()
    assert fingerprint(str(photos)) == expected
    train, _, _ = load(photos, tmp_path)
    assert train.classes.tolist() == ["größe", "red"]


@pytest.mark.parametrize("name", ["cat", "red/9.png"])
def test_a_link_that_leads_nowhere_is_named(photos, tmp_path, name):
    """Or a class on a disk that is not mounted would disappear silently."""
    (photos / "train" / name).symlink_to(tmp_path / "gone")
    with pytest.raises(ResbenchError, match=rf"train/{name}: No such file or directory"):
        load(photos, tmp_path)


def test_a_folder_that_cannot_be_read_is_named(photos, tmp_path, monkeypatch):
    def iterdir(path, original=Path.iterdir):
        if path.name == "red":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(ResbenchError, match=r"photos/(test|train)/red: Permission denied"):
        load(photos, tmp_path)


def test_what_an_earlier_download_left_does_not_change_a_folders_archive(photos, tmp_path):
    (tmp_path / "archive.part").write_bytes(bytes(10_000))
    load(photos, tmp_path, fingerprint(str(photos)))


def test_a_folder_can_be_pinned(photos, tmp_path):
    load(photos, tmp_path, fingerprint(str(photos)))
    noise(photos / "train/red/0.png", 1)
    with pytest.raises(ResbenchError, match="SHA-256 of its contents is"):
        download_archive(tmp_path / "other", [str(photos)], "ab" * 32, min_rate_kb=0, window_s=1)
    assert not (tmp_path / "other").exists()


def test_unreadable_files_are_named_and_counted_and_left_out(photos, tmp_path, capsys):
    (photos / "train/red/broken.png").write_bytes((photos / "train/red/0.png").read_bytes()[:60])
    (photos / "train/red/empty.jpg").write_bytes(b"")
    (photos / "train/red/phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (photos / "labels.csv").write_text("a,b")
    (photos / "arrays.npz").write_bytes(b"x")
    (photos / "train/red/._0.png").write_bytes(b"\0\5\x16\7")
    (photos / "train/red/Thumbs.db").write_bytes(b"x")
    picture(photos / "train/red/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", BLUE)  # a file server's copies of the pictures
    train, _, summary = load(photos, tmp_path)
    assert len(train.labels) == 6
    expected = {"train/red/broken.png", "train/red/empty.jpg", "train/red/phone.heic", "labels.csv", "arrays.npz"}
    assert set(summary["unreadable"]) == expected
    told = capsys.readouterr().err
    assert "'train/red/broken.png': not a readable picture" in told
    assert "'train/red/empty.jpg': is empty; left out" in told
    assert "'train/red/phone.heic': is a HEIC picture; convert it to JPEG or PNG; left out" in told
    assert "'arrays.npz' and 1 more: not readable as pictures; left out" in told


HEIF, JPEG_2000 = b"\0\0\0\x18ftypheix", b"\0\0\0\x0cjP  \r\n\x87\n"


@pytest.mark.parametrize(
    ("suffix", "content", "words"),
    [
        ("heic", HEIF, "is a HEIC picture; convert it to JPEG or PNG"),
        ("HEIF", HEIF, "is a HEIC picture; convert it to JPEG or PNG"),
        ("avif", b"\0\0\0\x20ftypavif", "is an AVIF picture; convert it to JPEG or PNG"),
        ("jxl", b"\xff\n\xfa", "is a JPEG XL picture; convert it to JPEG or PNG"),
        ("jxl", b"\0\0\0\x0cJXL \r\n\x87\n", "is a JPEG XL picture; convert it to JPEG or PNG"),
        ("jp2", JPEG_2000, "is a JPEG 2000 picture; convert it to JPEG or PNG"),
        ("j2k", b"\xff\x4f\xff\x51\0", "is a JPEG 2000 picture; convert it to JPEG or PNG"),
        ("heic", b"whatever", "save it as PNG or JPEG"),
        ("CR2", b"II*\0" + bytes(60), "is a TIFF of an unsupported kind"),
        ("tga", bytes(60), "save it as PNG or JPEG"),
        (
            "png",
            b"version https://git-lfs.github.com/spec/v1",
            "a pointer of Git LFS; get the picture with `git lfs pull`",
        ),
    ],
)
def test_a_class_of_pictures_in_a_format_that_is_not_read_does_not_disappear(photos, tmp_path, suffix, content, words):
    for part in ("train", "test"):
        (photos / part / "cat").mkdir()
        (photos / part / f"cat/a.{suffix}").write_bytes(content)
    with pytest.raises(ResbenchError, match=rf"no readable picture of class 'cat'; 'train/cat/a.{suffix}' .*{words}"):
        load(photos, tmp_path)


@pytest.mark.parametrize("container", ["w:gz", "zip"])
def test_large_files_and_many_among_pictures_are_left_out(photos, tmp_path, monkeypatch, container):
    monkeypatch.setattr("resbench.data.folders.LISTED", 3)
    with (photos / "a movie.mp4").open("wb") as stream:
        stream.truncate(70 << 20)
    (photos / ".hidden").write_bytes((photos / "a movie.mp4").read_bytes())
    for number in range(4):
        (photos / f"note {number}.txt").write_bytes(b"")
    packed = tmp_path / "packed"
    if container == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in sorted(photos.rglob("*")):
                archive.write(path, path.relative_to(photos))
    else:
        with tarfile.open(packed, container, compresslevel=1) as archive:
            archive.add(photos, "photos")
    train, _, summary = load(packed, tmp_path)
    assert len(train.labels) == 6
    assert len(summary["unreadable"]) == 4
    assert summary["unreadable"][-1] == "2 more files that are no pictures"


def test_photos_are_turned_upright_and_averaged(tmp_path):
    stored = Image.new("RGB", (64, 64), BLUE)
    stored.paste(RED, (0, 0, 32, 64))
    exif = Image.Exif()
    exif[0x0112] = 6
    folder = tmp_path / "photos"
    for name in ("cat", "dog"):
        for part in ("train", "test"):
            (folder / part / name).mkdir(parents=True)
            stored.save(folder / part / name / "a.png", exif=exif)
    grid = np.indices((64, 64)).sum(0) % 2 * 255
    Image.fromarray(grid.astype(np.uint8)).save(folder / "train/dog/grid.png")
    train, _, _ = load(folder, tmp_path)
    assert train.images[0, 2, 16].tolist() == list(RED)
    assert train.images[0, 29, 16].tolist() == list(BLUE)
    assert set(train.images[2].ravel()) <= {127, 128}  # the mean of each 2×2 area


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["a.png", "b.png"], "'a.png' outside a folder of its class"),
        (["cat/a.png", "cat/b.png"], "has one folder of pictures, and so one class; put the pictures into folders"),
        (["cat/a.png", "cat/b.png", "dog/a.png"], "pictures of class 'dog': two are needed; add pictures of it"),
        (["train/cat/a.png", "train/dog/a.png"], "has no folder test"),
        (["train/cat/a.png", "test/cat/a.png"], "pictures of one class, 'cat'; put the pictures into folders"),
        (
            ["Training/cat/a.png", "Testing/cat/b.png"],
            "has folders 'Testing' and 'Training', which are no names of cla",
        ),
        (
            ["x/seg_train/a/a.png", "x/seg_test/a/b.png"],
            "'seg_train', which are no names of classes; call them train and",
        ),
        (
            ["train2017/a/a.png", "val2017/a/b.png"],
            "'val2017', which are no names of classes; call them train and test",
        ),
        ([" cat/a.png", " cat/b.png", "dog/a.png", "dog/b.png"], "the class name ' cat'; use texts of 1 to 100"),
        (["train/cat/a.png", "train/dog/a.png", "test/bird/a.png"], "no training pictures of the test pictures' class"),
        (["train/cat/a.png", "test/cat/a.png", "val/cat/a.png"], "has the folder 'val' next to train and test"),
        (["train/a.png", "test/cat/a.png"], "'train/a.png' outside a folder"),
        (["train/cat/a.png", "train/dog/!.png", "test/cat/a.png"], "no readable picture of class 'dog'"),
        (["train/cat/a.txt"], "holds no batches of images, no arrays and no pictures"),
    ],
)
def test_folders_that_show_no_classes_are_refused(tmp_path, files, words):
    folder = tmp_path / "photos"
    for number, name in enumerate(files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name in ("!.png", "a.txt"):
            path.write_bytes(b"no picture")
        else:
            noise(path, number)
    with pytest.raises(ResbenchError) as caught:
        load(folder, tmp_path)
    assert words in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "delete" not in str(caught.value)
    assert not (tmp_path / "train.npz").exists()


@pytest.mark.parametrize("classes", [["test_strip", "test_tube"], ["cat", "train_station"]])
def test_classes_may_be_called_like_one_of_the_splits(tmp_path, classes):
    for number in range(4):
        noise(tmp_path / "photos" / classes[number % 2] / f"{number}.png", number)
    train, _, _ = load(tmp_path / "photos", tmp_path)
    assert train.classes.tolist() == classes


def test_all_pictures_share_one_budget():
    budget, pictures = Budget(0), PictureFolder()
    for name in ("cat/a.png", "cat/b.png"):
        pictures.take(Entry(name, 0, bytes), budget)
    assert budget.left == MAX_TOTAL


def test_a_picture_bomb_among_pictures_costs_no_memory(photos, tmp_path):
    import resource

    stream = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(stream, "PNG")
    (photos / "train/red/bomb.png").write_bytes(stream.getvalue())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, _, summary = load(photos, tmp_path)
    assert summary["unreadable"] == ["train/red/bomb.png"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
