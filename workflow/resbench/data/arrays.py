"""Images and labels as numpy arrays: .npy files, alone or in an untrusted .npz archive."""

import io
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from resbench.data.errors import ArchiveError, DamagedError
from resbench.data.layouts import check_names
from resbench.data.store import Split

# As Keras's own .npz files call them; class names are optional.
IMAGES, LABELS = {"train": "x_train", "test": "x_test"}, {"train": "y_train", "test": "y_test"}
NAMES = "classes"
_MEMBER = re.compile(rf"({'|'.join([*IMAGES.values(), *LABELS.values(), NAMES])})\.npy")


def stem_of_array(member: str) -> str | None:
    """Return the name of the array in a member of an .npz archive.

    Args:
        member: The member's file name.

    Returns:
        The name, such as `x_train`; None for a member that is not read.
    """
    match = _MEMBER.fullmatch(member)
    return match[1] if match else None


def read_npz(members: Mapping[str, bytes]) -> tuple[Split, Split]:
    """Return the training and the test images of an .npz archive.

    Args:
        members: Contents of its .npy files, by name.

    Returns:
        Training images and test images.

    Raises:
        ArchiveError: An array is missing, damaged, or of another type or shape.
    """
    expected = [*IMAGES.values(), *LABELS.values()]
    missing = [f"{name}.npy" for name in expected if f"{name}.npy" not in members]
    if missing:
        raise ArchiveError(
            f"lacks {', '.join(missing)}",
            "save x_train, y_train, x_test and y_test with numpy.savez, images as uint8 (N, 32, 32, 3)",
        )
    arrays = {name.removesuffix(".npy"): read_npy(content, name) for name, content in members.items()}
    labels = {part: as_labels(arrays[name], f"{name}.npy") for part, name in LABELS.items()}
    count = max(2, 1 + int(max(part.max() for part in labels.values())))
    names = arrays[NAMES].tolist() if NAMES in arrays else [f"class {number}" for number in range(count)]
    names = check_names(names)
    splits = []
    for part, name in IMAGES.items():
        images = as_images(arrays[name], f"{name}.npy")
        if len(images) != len(labels[part]):
            raise ArchiveError(f"has {len(images):,} images in {name}, but {len(labels[part]):,} labels")
        if labels[part].max() >= len(names):
            raise ArchiveError(f"has label {labels[part].max()}, but only {len(names)} class names")
        splits.append(Split(images, labels[part], np.array(names)))
    return splits[0], splits[1]


def read_npy(content: bytes, name: str) -> NDArray[Any]:
    """Return the array in a .npy file. Pickles in it are never read.

    Args:
        content: The file's bytes.
        name: The array's name, for messages.

    Returns:
        The array, of integers or text.

    Raises:
        ArchiveError: It is damaged, or holds anything but integers or text.
    """
    stream = io.BytesIO(content)
    try:
        version = npy.read_magic(stream)
        read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, _, kind = read_header(stream)
        if kind.kind not in "uiU":
            raise ArchiveError(
                f"holds {kind} in {name}", "save images as numpy.uint8, labels as integers and classes as numpy.str_"
            )
        if math.prod(shape) * kind.itemsize != len(content) - stream.tell():
            raise DamagedError(f"is damaged: the size of {name} contradicts its shape")
        stream.seek(0)
        array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
    except ArchiveError:
        raise
    except Exception as error:  # numpy's parser of headers raises a dozen types on hostile bytes
        raise DamagedError(f"is damaged: {name} is not a numpy array") from error
    return array


def as_images(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Check an array of images and bring it into the order that the networks take.

    Args:
        array: uint8 (N, 32, 32, 3) or (N, 3, 32, 32).
        name: Its name, for messages.

    Returns:
        uint8 (N, 32, 32, 3).

    Raises:
        ArchiveError: It is of another type or shape, or empty.
    """
    if array.ndim == 4 and array.shape[1:] == (3, 32, 32):
        array = array.transpose(0, 2, 3, 1)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1:] != (32, 32, 3) or not len(array):
        raise ArchiveError(
            f"holds {array.dtype} of shape {array.shape} in {name}, not uint8 (N, 32, 32, 3)",
            "save images as numpy.uint8, 0 to 255, of 32 × 32 pixels and three colours",
        )
    return np.ascontiguousarray(array)


def as_labels(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Check an array of labels.

    Args:
        array: Integers from 0 to 255, (N,) or (N, 1).
        name: Its name, for messages.

    Returns:
        uint8 (N,).

    Raises:
        ArchiveError: It is of another type or shape, or empty.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind not in "ui" or array.ndim != 1 or not len(array) or array.min() < 0 or array.max() > 255:
        raise ArchiveError(
            f"holds {array.dtype} of shape {array.shape} in {name}, not labels from 0 to 255",
            "save labels as integers of shape (N,)",
        )
    return array.astype(np.uint8)
