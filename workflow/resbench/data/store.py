"""The array files that every later stage reads: one .npz for each split."""

import math
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from resbench import IMAGE_SHAPE
from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import atomic

MAX_CLASS_NAME = 100  # characters; the contact sheet is as wide as the longest name


class Split(NamedTuple):
    """Images with their labels.

    Attributes:
        images: uint8 (N, 32, 32, 3).
        labels: uint8 (N,), each below C.
        classes: C names, as a str array (C,).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    classes: NDArray[np.str_]


def is_class_name(value: Any) -> bool:
    """Return whether a value may be the name of a class: one line of text that is neither empty nor long.

    Args:
        value: Whatever a file holds as a name.

    Returns:
        Whether it may.
    """
    return (
        isinstance(value, str) and 0 < len(value) <= MAX_CLASS_NAME and value.isprintable() and value == value.strip()
    )


def write_arrays(path: Path, split: Split) -> None:
    """Write to exactly `path`, uncompressed, so that it loads at the disk's speed.

    Args:
        path: File to write, .npz.
        split: The images.
    """
    with path.open("wb") as stream:
        np.savez(stream, images=split.images, labels=split.labels, classes=split.classes)


def save_split(path: Path, split: Split) -> None:
    """Write images for `load_split`, completely or not at all.

    Args:
        path: File to write, .npz.
        split: The images.
    """
    with atomic(path) as temporary:
        write_arrays(temporary, split)


def load_split(path: Path) -> Split:
    """Read what `save_split` wrote, checking every shape and type before memory is allocated for it.

    Args:
        path: The file.

    Returns:
        The images.

    Raises:
        ResbenchError: The file is missing, damaged, or holds something else.
    """
    try:
        return _read(path)
    except FileNotFoundError as error:
        raise ResbenchError(f"{path}: no such file; make it with `resbench convert`") from error
    except Exception as error:  # zipfile, zlib and numpy raise a dozen types on hostile bytes
        raise ResbenchError(
            f"{path}: not a readable data file ({one_line(error)}); make it with `resbench convert`"
        ) from error


def _read(path: Path) -> Split:
    with zipfile.ZipFile(path) as archive:
        images = _array(archive, "images", np.dtype(np.uint8), (None, *IMAGE_SHAPE), path.stat().st_size)
        labels = _array(archive, "labels", np.dtype(np.uint8), (len(images),), path.stat().st_size)
        classes = _array(archive, "classes", None, (None,), path.stat().st_size)
    names = classes.tolist()  # raises on code points that are not text
    if not 2 <= len(names) <= 256 or len(set(names)) < len(names):
        raise ValueError("classes are not 2 to 256 different names")
    if not all(map(is_class_name, names)):
        raise ValueError("classes have names that are empty, long, or not text")
    if labels.max() >= len(names):
        raise ValueError(f"label {labels.max()}, but {len(names)} classes")
    return Split(images, labels, classes)


def _array(
    archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any] | None, shape: tuple[int | None, ...], limit: int
) -> NDArray[Any]:
    """Return one array of the archive; None in `shape` is any positive length, `dtype` None is text."""
    if f"{name}.npy" not in archive.namelist():
        raise ValueError(f"no array {name!r}")
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as stream:
        if npy.read_magic(stream) != (1, 0):
            raise ValueError(f"{name}: unknown version of the .npy format")
        actual, _, kind = npy.read_array_header_1_0(stream)
        right = kind.kind == "U" if dtype is None else kind == dtype
        if not right:
            raise ValueError(f"{name}: {kind} instead of {dtype or 'text'}")
        if len(actual) != len(shape) or any(n < 1 or n != (want or n) for n, want in zip(actual, shape, strict=True)):
            raise ValueError(f"{name}: shape {actual} instead of {tuple(n or 'N' for n in shape)}".replace("'", ""))
        if info.file_size > limit or math.prod(actual) * kind.itemsize != info.file_size - stream.tell():
            raise ValueError(f"{name}: its size contradicts its shape")
    with archive.open(info) as stream:
        array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
    return array
