"""The array files: what was saved comes back, and nothing else is believed."""

import io
import zipfile

import numpy as np
import pytest
from data_helpers import files_in
from resbench.common.errors import ResbenchError
from resbench.data.store import Split, load_split, save_split


@pytest.fixture
def split():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (5, 32, 32, 3), np.uint8)
    return Split(images, np.array([0, 1, 2, 1, 0], np.uint8), np.array(["cat", "dog", "frög"]))


def test_round_trip(tmp_path, split):
    path = tmp_path / "new" / "train.npz"
    save_split(path, split)
    for loaded, saved in zip(load_split(path), split, strict=True):
        np.testing.assert_array_equal(loaded, saved)
        assert loaded.dtype == saved.dtype
    with np.load(path, allow_pickle=False) as plain:
        assert sorted(plain) == ["classes", "images", "labels"]
    assert files_in(path.parent) == {"train.npz"}


def test_same_bytes_each_time_for_the_same_readers(tmp_path, split):
    save_split(tmp_path / "a", split)
    (tmp_path / "b").touch()
    mode = (tmp_path / "b").stat().st_mode  # of any new file
    save_split(tmp_path / "b", split)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode == mode


def test_a_full_disk_leaves_an_earlier_file_alone(tmp_path, split, monkeypatch):
    def fail(stream, **arrays):
        stream.write(b"PK")
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_bytes(b"earlier")
    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        save_split(tmp_path / "a", split)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"earlier"]


def refusal(path):
    with pytest.raises(ResbenchError) as caught:
        load_split(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert "resbench convert" in message
    return message


def test_missing(tmp_path):
    assert "no such file" in refusal(tmp_path / "nothing.npz")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\3\4" + bytes(100), b"\x93NUMPY\1\0" + bytes(100)])
def test_not_npz(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    refusal(tmp_path / "x.npz")


def test_folder(tmp_path):
    refusal(tmp_path)


def test_truncated_and_damaged(tmp_path, split):
    path = tmp_path / "x.npz"
    save_split(path, split)
    whole = path.read_bytes()
    for keep in range(0, len(whole), 997):
        path.write_bytes(whole[:keep])
        refusal(path)
    path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    assert "CRC" in refusal(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"images": np.zeros((5, 32, 32, 3), np.float32)}, "images: float32 instead of uint8"),
        ({"images": np.zeros((5, 32, 32), np.uint8)}, "images: shape (5, 32, 32) instead of (N, 32, 32, 3)"),
        ({"images": np.zeros((5, 3, 32, 32), np.uint8)}, "images: shape"),
        ({"images": np.zeros((0, 32, 32, 3), np.uint8), "labels": np.zeros(0, np.uint8)}, "images: shape"),
        ({"labels": np.zeros(4, np.uint8)}, "labels: shape (4,) instead of (5,)"),
        ({"labels": np.zeros(5, np.int64)}, "labels: int64"),
        ({"labels": np.full(5, 3, np.uint8)}, "label 3, but 3 classes"),
        ({"classes": np.array(["a", "b", "a"])}, "different names"),
        ({"classes": np.array(["a"])}, "different names"),
        ({"classes": np.array([str(i) for i in range(257)])}, "different names"),
        ({"classes": np.array(["a", "b", "c" * 200_000])}, "names that are empty, long, or not text"),
        ({"classes": np.array(["a", "b", "c\n"])}, "names that are empty, long, or not text"),
        ({"classes": np.array([b"a", b"b", b"c"])}, "classes: |S1 instead of text"),
        ({"classes": np.array(["a", "b", "c"], object)}, "classes: object"),
        ({"images": np.array([None])}, "images: object"),
        ({"labels": None}, "no array 'labels'"),
    ],
)
def test_wrong_contents(tmp_path, split, change, reason):
    arrays = {name: value for name, value in (split._asdict() | change).items() if value is not None}
    np.savez(tmp_path / "x.npz", **arrays)
    assert reason in refusal(tmp_path / "x.npz")


def test_claimed_size_is_not_allocated(tmp_path):
    header = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 32, 32, 3)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue() + bytes(3072))
    assert "size contradicts" in refusal(tmp_path / "x.npz")


def test_compressed_bomb_is_not_unpacked(tmp_path, split):
    images = np.zeros((20_000, 32, 32, 3), np.uint8)
    np.savez_compressed(tmp_path / "x.npz", images=images, labels=np.zeros(20_000, np.uint8), classes=split.classes)
    assert "size contradicts" in refusal(tmp_path / "x.npz")
