"""Archives as users have them: every container and layout that is read, and one clear line for what is not."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import subprocess
import tarfile
import zipfile
import zlib
from contextlib import suppress

import numpy as np
import pytest
from data_helpers import (
    BATCHES,
    NAMES,
    PIXELS,
    batches,
    entry,
    files_in,
    pack_members,
    python_members,
    valid_archive,
)
from PIL import Image
from resbench.common.errors import ResbenchError
from resbench.data.convert import convert_archive
from resbench.data.sources import download_archive
from resbench.data.store import load_split

NOTHING = {"record": None, "summary": None, "samples": None}


def convert(folder, data, name="archive", **options):
    (folder / name).write_bytes(data)
    convert_archive(folder / name, folder / "train.npz", folder / "test.npz", **NOTHING | options)
    return load_split(folder / "train.npz"), load_split(folder / "test.npz")


def refused(folder, data, name="archive", **options):
    with pytest.raises(ResbenchError) as caught:
        convert(folder, data, name, **options)
    assert "train.npz" not in files_in(folder)
    message = str(caught.value)
    assert message.isprintable()
    assert "delete" not in message or options
    return message


def zipped(members, method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def in_folder(members, folder="cifar-10-batches-py"):
    return {f"{folder}/{name}": content for name, content in members.items()}


GOOD = python_members(batches(), NAMES)


def assert_good(splits, content=None):
    content = content or batches()
    for split, members in zip(splits, (sorted(content)[:-1], ["test_batch"]), strict=True):
        rows = np.concatenate([content[name][0] for name in members])
        np.testing.assert_array_equal(split.images, rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        np.testing.assert_array_equal(split.labels, np.concatenate([content[name][1] for name in members]))


TAR = gzip.decompress(valid_archive())


@pytest.mark.parametrize(
    "data",
    [
        TAR,
        lzma.compress(TAR),
        lzma.compress(TAR[:5000]) + lzma.compress(TAR[5000:]),
        bz2.compress(TAR),
        bz2.compress(TAR[:5000]) + bz2.compress(TAR[5000:]),
        zipped(in_folder(GOOD)),
        zipped(in_folder(GOOD), zipfile.ZIP_STORED),
        zipped({"__MACOSX/._data_batch_1": b"\0\5\x16\7", ".DS_Store": b"x"} | in_folder(GOOD)),
    ],
    ids=["tar", "xz", "xz twice", "bz2", "bz2 twice", "zip", "zip stored", "zip of macOS"],
)
def test_every_container_is_read(tmp_path, data):
    assert_good(convert(tmp_path, data))


@pytest.mark.parametrize("data", [lzma.compress(TAR), bz2.compress(TAR), zipped(in_folder(GOOD)), TAR])
@pytest.mark.parametrize("keep", [0.3, 0.98])
def test_a_truncated_container_is_refused(tmp_path, data, keep):
    assert "copy it again" in refused(tmp_path, data[: int(len(data) * keep)])


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("folder", ["données/cifar-10-batches-py", "/".join(["a_very_long_folder_name"] * 9)])
def test_long_and_non_ascii_folder_names_are_read(tmp_path, form, folder):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=form) as archive:
        for name, content in in_folder(GOOD, folder).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert_good(convert(tmp_path, stream.getvalue()))


def test_more_batches_are_read_or_refused(tmp_path):
    """An archive with batches 6 to 10 once lost them without a word."""
    more = batches() | {
        f"data_batch_{number}": (np.full((4, PIXELS), number, np.uint8), np.array([0, 1, 2, 0])) for number in (6, 7)
    }
    train, _ = convert(tmp_path, pack_members(python_members(more, NAMES)))
    assert len(train.labels) == 28
    assert set(train.images[20:24].ravel()) == {6}
    (tmp_path / "train.npz").unlink()
    gap = python_members(more, NAMES)
    del gap["data_batch_6"]
    assert "lacks data_batch_6" in refused(tmp_path, pack_members(gap))


@pytest.mark.parametrize(
    "name", ["test_batch_2", "data_batch_0", "data_batch_06", "data_batch_6.mat", "extra.npz", "val", "train.h5"]
)
def test_a_member_that_seems_to_hold_images_is_never_skipped(tmp_path, name):
    message = refused(tmp_path, pack_members(GOOD | {name: b"x"}))
    assert "seems to hold images" in message
    assert name in message


def with_labels(convert_labels, protocol):
    members = {"batches.meta": pickle.dumps({b"label_names": NAMES})}
    for name, (rows, labels) in batches().items():
        members[name] = pickle.dumps({b"labels": convert_labels(labels), b"data": rows}, protocol)
    return members


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    "labels",
    [
        lambda y: list(y.astype(np.int64)),
        lambda y: list(y.astype(np.uint8)),
        lambda y: y.astype(np.int64),
        lambda y: y.astype(np.uint8),
        lambda y: y.astype(">i4"),
        lambda y: y.astype(np.int32)[:, None],
    ],
    ids=["list of int64", "list of uint8", "int64", "uint8", "big-endian", "column"],
)
def test_numpy_labels_are_read(tmp_path, protocol, labels):
    assert_good(convert(tmp_path, pack_members(with_labels(labels, protocol))))


def test_the_largest_batch_of_numpy_labels_has_steps_enough():
    from resbench.data.layouts import LAYOUTS

    layout = LAYOUTS[0]
    labels = list(np.arange(layout.max_rows) % 10)
    names = [f"{number}.png".encode() for number in range(layout.max_rows)]
    batch = {b"labels": labels, b"data": np.zeros((layout.max_rows, PIXELS), np.uint8), b"filenames": names}
    for protocol in (2, 4):
        assert len(layout.read_batch(pickle.dumps(batch, protocol), layout.max_steps).labels) == layout.max_rows


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: [str(n) for n in y],
        lambda y: y + 300,
        lambda y: y * 128,
        lambda y: y - 1,
        lambda y: np.eye(3, dtype=int)[y],
    ],
    ids=["texts", "302", "256", "-1", "one-hot"],
)
def test_labels_that_are_not_read_get_advice(tmp_path, labels):
    assert "labels.tolist()" in refused(tmp_path, pack_members(with_labels(labels, 2)))


def cifar100(binary=False):
    random = np.random.default_rng(0)
    fine = [f"fine {number}" for number in range(100)]
    content = {
        name: (random.integers(0, 256, (size, PIXELS), np.uint8), random.integers(0, 100, size))
        for name, size in (("train", 30), ("test", 6))
    }
    if binary:
        members = {"fine_label_names.txt": "\n".join(fine).encode(), "coarse_label_names.txt": b"a\nb\n"}
        for name, (rows, labels) in content.items():
            coarse = labels[:, None] // 5
            members[f"{name}.bin"] = np.concatenate([coarse, labels[:, None], rows], axis=1).astype(np.uint8).tobytes()
        return content, members
    members = {
        "meta": pickle.dumps({b"fine_label_names": fine, b"coarse_label_names": ["x"] * 20}, 2),
        "file.txt~": b"",
    }
    for name, (rows, labels) in content.items():
        batch = {b"fine_labels": labels.tolist(), b"coarse_labels": (labels // 5).tolist(), b"data": rows}
        members[name] = pickle.dumps(batch, 2)
    return content, members


@pytest.mark.parametrize("binary", [False, True])
def test_cifar100s_layout_is_read_by_its_fine_labels(tmp_path, binary):
    content, members = cifar100(binary)
    splits = convert(tmp_path, pack_members(members, "cifar-100-python"))
    for split, name in zip(splits, ("train", "test"), strict=True):
        np.testing.assert_array_equal(split.labels, content[name][1])
        assert split.classes.tolist() == [f"fine {number}" for number in range(100)]


def npz(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def arrays(rows=4):
    images = np.random.default_rng(0).integers(0, 256, (rows, 32, 32, 3), np.uint8)
    labels = np.arange(rows) % 3
    return {"x_train": images, "y_train": labels, "x_test": images[:2], "y_test": labels[:2]}


def test_arrays_as_keras_calls_them_are_read(tmp_path):
    good = arrays()
    train, test = convert(tmp_path, npz(**good, classes=np.array(NAMES)), "mine.npz")
    np.testing.assert_array_equal(train.images, good["x_train"])
    np.testing.assert_array_equal(test.labels, good["y_test"])
    assert train.classes.tolist() == NAMES
    first = good | {"x_train": good["x_train"].transpose(0, 3, 1, 2), "y_train": good["y_train"][:, None]}
    first["y_test"] = np.array([3, 0])
    train, _ = convert(tmp_path, npz(**first), "mine.npz")
    np.testing.assert_array_equal(train.images, good["x_train"])
    assert train.classes.tolist() == ["class 0", "class 1", "class 2", "class 3"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_test": None}, "lacks x_test.npy; save x_train, y_train, x_test and y_test"),
        ({"x_train": np.zeros((4, 32, 32, 3), np.float32)}, "holds float32 in x_train.npy"),
        ({"x_train": np.zeros((4, 28, 28, 1), np.uint8)}, "not uint8 (N, 32, 32, 3)"),
        ({"x_train": np.zeros((3, 32, 32, 3), np.uint8)}, "3 images in x_train, but 4 labels"),
        ({"x_test": np.zeros((3, 32, 32, 3), np.uint8)}, "3 images in x_test, but 2 labels"),
        ({"y_train": np.array([0, 1, 2, -1])}, "not labels from 0 to 255"),
        ({"y_train": np.array([0, 1, 2, 300])}, "not labels from 0 to 255"),
        ({"y_train": np.eye(4, dtype=np.int64)}, "not labels from 0 to 255"),
        ({"y_train": np.array([0, 1, 2, None])}, "holds object in y_train.npy"),
        ({"classes": np.array(["a", "b"])}, "label 2, but only 2 class names"),
        ({"classes": np.array(["a", "b", "c"], object)}, "and classes as numpy.str_"),
    ],
)
def test_arrays_that_are_not_read_get_advice(tmp_path, change, words):
    content = {name: value for name, value in (arrays() | change).items() if value is not None}
    assert words in refused(tmp_path, npz(**content), "mine.npz")


def test_pickles_in_arrays_are_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], object), allow_pickle=True)
    content = zipped({f"{name}.npy": stream.getvalue() for name in arrays()})
    assert "holds object" in refused(tmp_path, content, "mine.npz")


def png():
    stream = io.BytesIO()
    Image.new("RGB", (32, 32)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (in_folder(GOOD) | {"cat/a.png": png()}, "mixes batches, arrays and pictures"),
        (in_folder(GOOD) | {"x_train.npy": b""}, "mixes batches, arrays and pictures"),
        ({"a/x_train.npy": b"", "b/x_train.npy": b""}, "holds x_train.npy twice"),
    ],
)
def test_what_would_be_lost_silently_is_refused(tmp_path, members, words):
    assert words in refused(tmp_path, zipped(members))


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("name", "words"),
    [("../outside", "points outside"), ("/etc/passwd", "points outside"), (link("data_batch_9"), "is a link")],
)
def test_hostile_zip_members_are_refused(tmp_path, name, words):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"/etc/passwd")
    assert words in refused(tmp_path, stream.getvalue())


def test_zip_bombs_are_refused(tmp_path):
    bomb = zipped({"data_batch_1": bytes(300 << 20)})
    assert len(bomb) < 1 << 20
    assert "more than" in refused(tmp_path, bomb)
    many = zipped({f"folder{number}/readme.npy": bytes(60 << 20) for number in range(3)})
    assert "in no supported layout" in refused(tmp_path, many)


def test_a_huge_directory_of_a_zip_is_refused_in_both_of_its_end_records(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)  # from which on there are two
    data = zipped(in_folder(GOOD), zipfile.ZIP_STORED)
    end, end64, locator = data.rindex(b"PK\5\6"), data.rindex(b"PK\6\6"), data.rindex(b"PK\6\7")
    huge = (1 << 27).to_bytes(4, "little")
    second = data[: end64 + 40] + huge + data[end64 + 44 :]
    assert "more members than" in refused(tmp_path, data[: end + 12] + huge + data[end + 16 :])
    assert "more members than" in refused(tmp_path, second)
    assert "more members than" in refused(tmp_path, second + b"x" * (1 << 16))  # a comment
    assert "more members than" in refused(tmp_path, second[:locator] + b"x" * 100 + second[locator:])  # only named
    with suppress(ResbenchError):  # as zipfile's version decides
        convert(tmp_path, data[: locator + 8] + b"\xff" * 8 + data[locator + 16 :])
    assert_good(convert(tmp_path, data))


def test_the_advice_for_an_encrypted_zip_is_to_repack_it(tmp_path):
    data = bytearray(zipped(in_folder(GOOD), zipfile.ZIP_STORED))
    at = 0
    while (at := data.find(b"PK\1\2", at)) >= 0:
        data[at + 8] |= 1
        at += 4
    assert "is encrypted; repack it" in refused(tmp_path, bytes(data))


def test_an_xz_file_that_asks_for_gigabytes_is_refused(tmp_path):
    """The first block's header claims a dictionary of 3 GiB, which the decompressor would allocate."""
    data = bytearray(lzma.compress(TAR))
    data[16] = 39
    data[20:24] = zlib.crc32(data[12:20]).to_bytes(4, "little")
    with pytest.raises(lzma.LZMAError, match="Memory usage limit"):
        lzma.LZMADecompressor(memlimit=1 << 28).decompress(bytes(data))
    assert "is corrupt" in refused(tmp_path, bytes(data))


@pytest.mark.parametrize(
    ("source", "data", "advice"),
    [
        ("https://host/a.tar.gz", valid_archive()[:-500], "which downloads it again"),
        ("HTTPS://host/a.tar.gz", valid_archive()[:-500], "which downloads it again"),
        ("https://host/a.tar.gz", pack_members({"x.mat": b""}), "name another source"),
        ("/home/me/mine.tar.gz", valid_archive()[:-500], "copy it again from where you have it"),
        ("/home/me/mine.tar.gz", pack_members({"x.txt": b""}), "lists the supported layouts"),
        ("/home/me/mine.tar.gz", b"Rar!" + bytes(600), "repack it as .tar.gz or .zip"),
    ],
)
def test_advice_depends_on_where_the_archive_came_from(tmp_path, source, data, advice):
    (tmp_path / "source.json").write_text(json.dumps({"source": source}))
    message = refused(tmp_path, data, record=tmp_path / "source.json")
    assert advice in message
    assert source in message
    assert ("delete" in message) == ("downloads it again" in advice)


def test_the_advice_for_an_archive_in_an_archive_is_to_unpack_it(tmp_path):
    message = refused(tmp_path, zipped({"cifar-10-python.tar.gz": valid_archive()}))
    assert "'cifar-10-python.tar.gz' is in no supported layout; unpack it once" in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(gzip.compress(TAR)), "is compressed twice; unpack it once"),
        (bz2.compress(pickle.dumps([1] * 900, 2)), "is, unpacked, a pickle instead of a tar archive; save its images"),
        (lzma.compress(TAR, format=lzma.FORMAT_ALONE), "is an .lzma file"),
        (b"\n <!DOCTYPE html><html>" + b" " * 600, "is a web page, not a .tar"),
        (b'{"error": "quota"}', "a server sent it instead of the file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n", "with `git lfs pull`"),
        (
            b"\x89HDF\r\n" + bytes(600),
            ".zip or .npz file; save its images and labels with numpy.savez",
        ),
        (b"\xef\xbb\xbf<!DOCTYPE html>" + b" " * 600, "is a web page, not a .tar"),
        (b"403 Forbidden\n", "is a text file, not a .tar"),
        (gzip.compress(b"id,label\n1,cat\n" * 90), "is, unpacked, a text file instead of a tar archive"),
        (zipped(GOOD, zipfile.ZIP_BZIP2), "is compressed in an unusual way; repack it"),
        (zipped({"train_images.npy": b"x"}), "'train_images.npy' is in no supported layout; save its images"),
        (
            npz(**arrays(), X_val=np.zeros(3)),
            "'X_val.npy', which seems to hold images, but does not belong to the layout; "
            "leave it out, or save its images and labels with numpy.savez",
        ),
        (
            pack_members(GOOD, "home/me/.keras"),
            "'home/me/.keras/batches.meta' is in a hidden folder; pack it from inside",
        ),
        (pack_members(GOOD | {"data_batch_1": pickle.dumps({"labels": [1]}, 0)}), "save it with protocol=2"),
        (pack_members(GOOD | {"data_batch_1": pickle.dumps({"labels": [1.5]}, 2)}), "labels, a list of int"),
    ],
)
def test_what_is_no_archive_of_images_is_named_with_what_helps(tmp_path, data, words):
    assert words in refused(tmp_path, data)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["."], "is a link"),
        (["--absolute-names", "{photos}/dog"], "points outside the archive"),
        (["--sparse", "dog"], "(tar type 'S')"),
        (["--sparse", "--format=posix", "dog"], "sets 'GNU.sparse.major'"),
        (["--label=mine", "dog"], "(tar type 'V')"),
    ],
)
def test_the_folder_of_a_tar_archive_with_special_members_is_read(tmp_path, options, words):
    """The advice holds: a folder may have what an archive of unknown origin may not."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    for number, label in enumerate(("cat", "cat", "dog", "dog")):
        (photos / label).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (number, 0, 0)).save(photos / label / f"{number}.png")
    (photos / "cat/same.png").hardlink_to(photos / "cat/0.png")
    with (photos / "dog/2.png").open("ab") as stream:
        stream.truncate(1 << 20)
    out.mkdir()
    command = ["tar", "-cf", tmp_path / "mine.tar", "-C", photos, *(word.format(photos=photos) for word in options)]
    subprocess.run(command, check=True)
    message = refused(out, (tmp_path / "mine.tar").read_bytes())
    assert words in message
    assert "name the unpacked folder as the source" in message
    download_archive(out / "packed", [str(photos)], None, min_rate_kb=0, window_s=1)
    train, test = convert(out, (out / "packed").read_bytes())
    assert (train.classes.tolist(), len(train.labels) + len(test.labels)) == (["cat", "dog"], 5)


def test_a_zip_archive_that_windows_wrote_with_backslashes_is_read(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("cifar\\", b"")
        for name, content in GOOD.items():
            archive.writestr(f"cifar\\{name}", content)
    assert_good(convert(tmp_path, stream.getvalue()))


def test_the_advice_for_a_folder_is_to_pack_it(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(ResbenchError, match=r"photos: is a folder; pack it with `resbench download"):
        convert_archive(tmp_path / "photos", tmp_path / "train.npz", tmp_path / "test.npz", **NOTHING)


def test_a_long_name_of_no_file_is_refused(tmp_path):
    long = entry("././@LongLink", b"x" * 300 + b"\0", b"L")
    assert "belongs to no file" in refused(tmp_path, gzip.compress(long + bytes(1024)))
    assert BATCHES  # the layout that the other tests build
