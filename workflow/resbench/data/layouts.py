"""The supported layouts of batches: one record each (https://www.cs.toronto.edu/~kriz/cifar.html)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.data.errors import ArchiveError, printable
from resbench.data.store import MAX_CLASS_NAME, is_class_name
from resbench.data.unpickle import BATCH, unpickle

PIXELS = 32 * 32 * 3
ROW_BYTES = 2 * PIXELS + 256  # of one image: Python 3's protocol 2 doubles high bytes; 256 for a label and a file name
STEPS = 28  # opcodes of one image in a pickle: a label takes up to 15, a file name up to 11
NAMES_ADVICE = f"use texts of 1 to {MAX_CLASS_NAME} characters, without control characters or spaces around them"
TEST = 0  # number of the test batch; training batches count from 1


class Batch(NamedTuple):
    """Images and labels of one batch.

    Attributes:
        rows: uint8 (N, 3072), each an image as CHW.
        labels: uint8 (N,).
    """

    rows: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """Names of an archive's members, in whichever folder they are, and how to read them.

    Attributes:
        name: Name in dataset records and in the summary of the data.
        names: Member that holds the class names.
        batches: Number of each batch that must be there.
        more: Pattern of further training batches, whose first group is the number; None where there are none.
        max_rows: Most images in one batch.
        read_batch: Returns the images and labels of a batch, given its bytes and the most opcodes of a pickle.
        read_names: Returns the class names, given that member's bytes and the most opcodes of a pickle.
    """

    name: str
    names: str
    batches: Mapping[str, int]
    more: re.Pattern[str] | None
    max_rows: int
    read_batch: Callable[[bytes, int], Batch]
    read_names: Callable[[bytes, int], list[str]]

    def number(self, member: str) -> int | None:
        """Return the number of the batch in a member.

        Args:
            member: The member's file name.

        Returns:
            The number; None where it is not a batch of this layout.
        """
        if member in self.batches:
            return self.batches[member]
        match = self.more.fullmatch(member) if self.more else None
        return int(match[1]) if match else None

    @property
    def max_bytes(self) -> int:
        """Return the most bytes of one batch."""
        return self.max_rows * ROW_BYTES

    @property
    def max_steps(self) -> int:
        """Return the most opcodes of one pickle."""
        return self.max_rows * STEPS


def _python_batch(labels_key: str) -> Callable[[bytes, int], Batch]:
    def read(content: bytes, max_steps: int) -> Batch:
        batch = unpickle(content, max_steps)
        rows = batch.get("data")
        if not isinstance(rows, np.ndarray):
            raise ArchiveError("has no array of images called 'data'", BATCH)
        if rows.dtype != np.uint8:
            raise ArchiveError(
                f"holds an array of {rows.dtype.str.lstrip('<>|=')!r} instead of uint8",
                "save images as numpy.uint8, 0 to 255",
            )
        if rows.ndim != 2 or rows.shape[1] != PIXELS:
            raise ArchiveError(
                f"has images of shape {rows.shape}, not rows of {PIXELS:,}",
                "save (N, 32, 32, 3) as images.transpose(0, 3, 1, 2).reshape(-1, 3072)",
            )
        if labels_key not in batch:
            raise ArchiveError(f"has no list of labels called {labels_key!r}", BATCH)
        return Batch(rows, _labels(batch[labels_key]))

    return read


def _labels(labels: Any) -> NDArray[np.uint8]:
    """Return a list or an array of labels as uint8 (N,)."""
    if isinstance(labels, np.ndarray) and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if isinstance(labels, np.ndarray) and labels.ndim == 1:
        good = not len(labels) or (labels.min() >= 0 and labels.max() < 256)
    else:
        good = isinstance(labels, list) and all(type(label) is int and 0 <= label < 256 for label in labels)
    if not good:
        raise ArchiveError("has no list of labels from 0 to 255", "save labels as a list of int: labels.tolist()")
    return np.asarray(labels, np.uint8)


def _binary_batch(label_bytes: int) -> Callable[[bytes, int], Batch]:
    """Return a reader of images that follow `label_bytes` bytes, of which the last is the label."""
    width = label_bytes + PIXELS

    def read(content: bytes, max_steps: int) -> Batch:
        if len(content) % width:
            raise ArchiveError(f"has {len(content):,} bytes, no multiple of {width:,}")
        table = np.frombuffer(content, np.uint8).reshape(-1, width)
        return Batch(table[:, label_bytes:], table[:, label_bytes - 1])

    return read


def _python_names(key: str) -> Callable[[bytes, int], list[str]]:
    def read(content: bytes, max_steps: int) -> list[str]:
        return check_names(unpickle(content, max_steps).get(key))

    return read


def _lines(content: bytes, max_steps: int) -> list[str]:
    """Return the class names in a text file, one on each line; its last lines may be empty."""
    return check_names(content.rstrip().splitlines())


def check_names(value: Any) -> list[str]:
    """Return class names as text.

    Args:
        value: What the archive holds as class names.

    Returns:
        The names.

    Raises:
        ArchiveError: They are not 2 to 256 different names; see `is_class_name`.
    """
    if not isinstance(value, list):
        raise ArchiveError("has no list of class names")
    names = [name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name for name in value]
    if bad := [name for name in names if not is_class_name(name)]:
        raise ArchiveError(f"has the class name {printable(str(bad[0]))}", NAMES_ADVICE)
    if not 2 <= len(names) <= 256:
        raise ArchiveError(f"has {len(names)} class name{'s' if len(names) != 1 else ''}, not 2 to 256")
    if len(set(names)) < len(names):
        raise ArchiveError("has the same class name twice")
    return names


LAYOUTS = (
    Layout(
        name="cifar10-python",
        names="batches.meta",
        batches={"test_batch": TEST} | {f"data_batch_{k}": k for k in range(1, 6)},
        more=re.compile(r"data_batch_([1-9]\d{0,2})"),
        max_rows=20_000,
        read_batch=_python_batch("labels"),
        read_names=_python_names("label_names"),
    ),
    Layout(
        name="cifar10-binary",
        names="batches.meta.txt",
        batches={"test_batch.bin": TEST} | {f"data_batch_{k}.bin": k for k in range(1, 6)},
        more=re.compile(r"data_batch_([1-9]\d{0,2})\.bin"),
        max_rows=20_000,
        read_batch=_binary_batch(1),
        read_names=_lines,
    ),
    Layout(
        name="cifar100-python",
        names="meta",
        batches={"test": TEST, "train": 1},
        more=None,
        max_rows=60_000,
        read_batch=_python_batch("fine_labels"),
        read_names=_python_names("fine_label_names"),
    ),
    Layout(
        name="cifar100-binary",
        names="fine_label_names.txt",
        batches={"test.bin": TEST, "train.bin": 1},
        more=None,
        max_rows=60_000,
        read_batch=_binary_batch(2),  # a coarse and a fine label
        read_names=_lines,
    ),
)
