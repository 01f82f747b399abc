"""The demo's archive goes through the same stage as CIFAR-10's."""

import tarfile

import numpy as np
import pytest
from data_helpers import run_cli
from resbench.common.files import sha256
from resbench.data.convert import convert_archive
from resbench.data.datasets import DATASETS, identify
from resbench.data.digits import NAMES, write_digits_archive
from resbench.data.store import load_split
from sklearn.datasets import load_digits


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    write_digits_archive(folder / "digits.tar")
    convert_archive(
        folder / "digits.tar", folder / "train.npz", folder / "test.npz", record=None, summary=None, samples=None
    )
    return folder


def test_official_member_names(folder):
    with tarfile.open(folder / "digits.tar") as archive:
        assert archive.getnames() == [
            f"cifar-10-batches-bin/{name}"
            for name in ["batches.meta.txt", *(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]
        ]


def test_splits(folder):
    train, test = load_split(folder / "train.npz"), load_split(folder / "test.npz")
    assert (len(train.labels), len(test.labels)) == (1500, 297)
    assert train.classes.tolist() == NAMES
    for split in (train, test):
        shares = np.bincount(split.labels, minlength=10) / len(split.labels)
        assert np.abs(shares - 0.1).max() < 0.01


def test_every_digit_is_there_once(folder):
    """Averaged back to 8×8, each image is nearest to an original of its class, and all originals occur."""
    splits = load_split(folder / "train.npz"), load_split(folder / "test.npz")
    images = np.concatenate([split.images for split in splits])
    labels = np.concatenate([split.labels for split in splits])
    pixels, targets = load_digits(return_X_y=True)
    small = images[..., 0].reshape(-1, 8, 4, 8, 4).mean((2, 4)).reshape(-1, 64) * 16 / 255
    distances = (small**2).sum(1)[:, None] + (pixels**2).sum(1) - 2 * small @ pixels.T
    nearest = distances.argmin(1)
    assert (targets[nearest] == labels).mean() > 0.995
    assert len(set(nearest)) > 1700
    assert (images == images[..., :1]).all()


def test_same_bytes_from_the_command_line(folder, tmp_path):
    process = run_cli("digits", tmp_path / "again.tar")
    assert process.communicate()[1] == ""
    assert process.returncode == 0
    assert (tmp_path / "again.tar").read_bytes() == (folder / "digits.tar").read_bytes()


def test_the_archive_is_the_one_of_the_record(folder):
    """Elsewhere, with other versions of Python, numpy or scikit-learn, a failure here means: pin the new hash."""
    assert identify(sha256(folder / "digits.tar")) is DATASETS["digits"]
