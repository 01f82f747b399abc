"""Handwritten digits in CIFAR-10's binary layout: a small real data set that needs no network."""

import io
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resbench.common.files import atomic

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
BATCH = 300  # images of each of the five training batches; the other 297 are for testing
FOLDER = "cifar-10-batches-bin"


def write_digits_archive(dest: Path) -> None:
    """Write scikit-learn's 1,797 digits (8×8, UCI's Optical Recognition of Handwritten Digits) as a tar archive.

    Each becomes a 32×32 grey image in three equal channels. Every batch has nearly equal shares of all ten classes. The
    archive has the same bytes, and therefore the same hash, on every machine.

    Args:
        dest: The archive to write.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = _balanced_order(labels)
    rows, labels = _as_rows(pixels)[order], labels[order]
    content = {"batches.meta.txt": "".join(f"{name}\n" for name in NAMES).encode()}
    for number in range(6):
        name = f"data_batch_{number + 1}.bin" if number < 5 else "test_batch.bin"
        part = slice(number * BATCH, (number + 1) * BATCH)
        content[name] = np.concatenate([labels[part, None].astype(np.uint8), rows[part]], axis=1).tobytes()
    with (
        atomic(dest) as temporary,
        tarfile.open(temporary, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, value in content.items():
            info = tarfile.TarInfo(f"{FOLDER}/{name}")
            info.size = len(value)
            archive.addfile(info, io.BytesIO(value))


def _balanced_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a random order in which every part has nearly equal shares of all classes."""
    generator = np.random.default_rng(0)
    place = np.empty(len(labels))
    for label in range(len(NAMES)):
        members = generator.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + generator.random(len(members))) / len(members)
    return np.argsort(place, kind="stable")


def _as_rows(pixels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return digits (N, 64), 0 to 16, as uint8 (N, 3072): bilinearly enlarged fourfold, channel by channel."""
    grid = pixels.reshape(-1, 8, 8) * (255 / 16)
    at = np.clip((np.arange(32) + 0.5) / 4 - 0.5, 0, 7)  # centres of the new pixels on the old grid
    low = np.minimum(at.astype(int), 6)
    weight = np.zeros((32, 8))
    weight[np.arange(32), low], weight[np.arange(32), low + 1] = 1 - (at - low), at - low
    large = np.rint(weight @ grid @ weight.T).astype(np.uint8)
    return np.repeat(large.reshape(-1, 1, 32 * 32), 3, axis=1).reshape(-1, 3 * 32 * 32)
