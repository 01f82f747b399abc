"""Further test sets: other images of the classes that a model was trained for."""

import re
from pathlib import Path

import numpy as np

from resbench.common.errors import ResbenchError
from resbench.common.files import expand_home
from resbench.data.archive import read_archive
from resbench.data.arrays import as_images, as_labels, read_npy
from resbench.data.containers import Entry
from resbench.data.errors import ArchiveError
from resbench.data.folders import PictureFolder, check_known, files_of, is_picture
from resbench.data.origin import Origin
from resbench.data.store import Split, load_split, save_split
from resbench.data.streams import Budget

MAX_ARRAY = 2 << 30  # bytes of a .npy file, which is read at once; CIFAR-10-C's have 154 MB


def write_test_set(path: Path, like: Path, output: Path, labels: Path | None = None) -> None:
    """Write a further test set as `evaluate` reads it.

    Args:
        path: A folder or an archive of pictures (`CLASS/*`, or `test/CLASS/*`), any other archive as `convert` reads
            it, of which the test images are taken, or images as a .npy file, as CIFAR-10-C and CIFAR-10.1 have them.
        like: Test images that `convert` wrote: their classes are those of the new set.
        output: File to write, .npz.
        labels: Labels of a .npy file, numbers of `like`'s classes. None takes the file next to `path` that has
            CIFAR-10.1's name with `labels` in place of `data`, or else `labels.npy`, as in CIFAR-10-C.

    Raises:
        ResbenchError: The set is unreadable, or has other classes.
    """
    classes = load_split(like).classes
    path, *label_files = sources_of(path, labels)
    if not path.exists():
        raise ResbenchError(f"{path}: no such file or folder; correct the test set's path")
    try:
        if path.is_dir():
            split = _from_folder(path, classes.tolist())
        elif label_files:
            save_split(output, _from_arrays(path, label_files[0], classes))
            return
        else:
            split = read_archive(path, classes=classes.tolist()).test
        save_split(output, _renumbered(split, classes.tolist()))
    except ArchiveError as error:
        raise ResbenchError(Origin(str(path), downloaded=False).message(path, error)) from error


def sources_of(path: Path, labels: Path | None) -> list[Path]:
    """Return what a further test set is read from.

    Args:
        path: Its images, as for `write_test_set`.
        labels: Its labels, as for `write_test_set`.

    Returns:
        The images; for a .npy file, also that of its labels.

    Raises:
        ResbenchError: There are no labels next to a .npy file, or a path is in an unknown home folder.
    """
    path = expand_home(path)
    if path.suffix != ".npy" or path.is_dir():
        return [path]
    return [path, expand_home(labels) if labels else _labels_next_to(path)]


def _from_folder(folder: Path, classes: list[str]) -> Split:
    pictures = PictureFolder()
    budget = Budget(0)
    for path in files_of(folder):
        name = path.relative_to(folder).as_posix()
        if is_picture(name):
            pictures.take(Entry(name, path.stat().st_size, path.read_bytes), budget)
        else:
            pictures.skip(name)
    return pictures.test_split(classes)


def _labels_next_to(path: Path) -> Path:
    named = path.with_name(re.sub("data|images", "labels", path.name))
    labels = next((other for other in (named, path.with_name("labels.npy")) if other != path and other.is_file()), None)
    if labels is None:
        raise ResbenchError(f"{path}: no labels next to it; name their file, or call it labels.npy")
    return labels


def _from_arrays(path: Path, labels: Path, classes: np.ndarray) -> Split:
    images = as_images(read_npy(_content(path), path.name), path.name)
    numbers = as_labels(read_npy(_content(labels), labels.name), labels.name)
    if len(images) != len(numbers):
        raise ArchiveError(f"has {len(images):,} images, but {labels} has {len(numbers):,} labels")
    if numbers.max() >= len(classes):
        raise ArchiveError(f"has label {numbers.max()}, but the models know {len(classes)} classes")
    return Split(images, numbers, classes)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_ARRAY:
            raise ArchiveError(f"has more than {MAX_ARRAY:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ResbenchError(f"{path}: cannot be read ({error.strerror})") from error


def _renumbered(split: Split, classes: list[str]) -> Split:
    """Return a split whose labels are numbers of `classes`, matched by their names."""
    names = split.classes.tolist()
    check_known(names, classes)
    numbers = np.array([classes.index(name) for name in names], np.uint8)
    return Split(split.images, numbers[split.labels], np.array(classes))
