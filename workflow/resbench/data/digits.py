"""Handwritten digits in CIFAR-10's layout: a small real data set that needs no network."""

import gzip
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resbench.common.files import atomic

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
BATCH = 300  # images of each of the five training batches; the other 297 are for testing
FOLDER = "cifar-10-batches-py"


def write_digits_archive(dest: Path) -> None:
    """Write scikit-learn's 1,797 digits (8×8, UCI's Optical Recognition of Handwritten Digits) as .tar.gz.

    Each becomes a 32×32 grey image in three equal channels.  Every batch has nearly equal shares
    of all ten classes.  The same bytes come out each time.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = _balanced_order(labels)
    rows, labels = _as_rows(pixels)[order], labels[order]
    content = {
        "batches.meta": {
            b"num_cases_per_batch": BATCH,
            b"label_names": [name.encode() for name in NAMES],
            b"num_vis": rows.shape[1],
        }
    }
    for number in range(6):
        name = f"data_batch_{number + 1}" if number < 5 else "test_batch"
        part = slice(number * BATCH, (number + 1) * BATCH)
        content[name] = {
            b"batch_label": name.replace("_", " ").encode(),
            b"labels": labels[part].tolist(),
            b"data": rows[part],
            b"filenames": [f"digit_{index:04}.png".encode() for index in order[part]],
        }
    with (
        atomic(dest) as temporary,
        temporary.open("wb") as stream,
        gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, value in content.items():
            pickled = pickle.dumps(value, protocol=2)
            info = tarfile.TarInfo(f"{FOLDER}/{name}")
            info.size = len(pickled)
            archive.addfile(info, io.BytesIO(pickled))


def _balanced_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """A random order in which every stretch has nearly equal shares of all classes."""
    generator = np.random.default_rng(0)
    place = np.empty(len(labels))
    for label in range(len(NAMES)):
        members = generator.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + generator.random(len(members))) / len(members)
    return np.argsort(place, kind="stable")


def _as_rows(pixels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(N, 64) of 0 to 16 → uint8 (N, 3072), bilinearly enlarged fourfold, channel by channel."""
    grid = pixels.reshape(-1, 8, 8) * (255 / 16)
    at = np.clip((np.arange(32) + 0.5) / 4 - 0.5, 0, 7)  # centres of the new pixels on the old grid
    low = np.minimum(at.astype(int), 6)
    weight = np.zeros((32, 8))
    weight[np.arange(32), low], weight[np.arange(32), low + 1] = 1 - (at - low), at - low
    large = np.rint(weight @ grid @ weight.T).astype(np.uint8)
    return np.repeat(large.reshape(-1, 1, 32 * 32), 3, axis=1).reshape(-1, 3 * 32 * 32)
