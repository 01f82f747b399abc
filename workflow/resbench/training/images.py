"""The images of a training job: those to train on, those held out, and the test images."""

from pathlib import Path

import numpy as np

from resbench.common.errors import ResbenchError
from resbench.data.store import Split, load_split

EXPECTED = 10  # a random part in which 10 images of a class are expected has none with probability e^-10


def load_images(
    train_path: Path, test_path: Path | None, limit: int | None, validation: int
) -> tuple[Split, Split | None, Split | None]:
    """Read the images of a job, and refuse those that cannot be trained on or compared.

    Args:
        train_path: Training images, .npz.
        test_path: Test images, .npz; None for none.
        limit: Use only the first training images; None uses all.
        validation: How many of these, from the end, are held out.

    Returns:
        Images to train on, held-out images or None, and test images or None.

    Raises:
        ResbenchError: A file is unusable, no image is left to train on, a part lacks a class, or the test images have
            other classes.
    """
    data = load_split(train_path)
    training, held_out = split(data, limit, validation)
    for part in filter(None, (training, held_out)):
        if (missing := missing_class(data, part)) is not None:
            raise ResbenchError(
                f"{train_path}: sorted by class, so that {len(part.labels):,} images to train on or to hold out lack "
                f"class {missing!r}; mix the images in their archive, or train on all, without limit and validation"
            )
    test = load_split(test_path) if test_path else None
    if test and test.classes.tolist() != training.classes.tolist():
        raise ResbenchError(f"{test_path}: its classes are not those of {train_path}; name images of the same dataset")
    return training, held_out, test


def split(data: Split, limit: int | None, validation: int) -> tuple[Split, Split | None]:
    """Divide images into those that are trained on and those that are held out.

    Args:
        data: All images.
        limit: Use only the first ones; None uses all.
        validation: How many of these, from the end, are held out.

    Returns:
        Training images, and validation images or None.

    Raises:
        ResbenchError: No image is left to train on.
    """
    count = min(limit or len(data.images), len(data.images))
    if validation >= count:
        raise ResbenchError(f"--validation {validation} leaves none of {count} images to train on")
    cut = count - validation
    training = Split(data.images[:cut], data.labels[:cut], data.classes)
    return training, Split(data.images[cut:count], data.labels[cut:count], data.classes) if validation else None


def missing_class(data: Split, part: Split) -> str | None:
    """Return a class that a part of the images lacks, although it would have some if the images were mixed.

    A part of only a few images for each class may lack one by chance.

    Args:
        data: All images.
        part: Some of them.

    Returns:
        The class; None where there is no such class.
    """
    size = len(data.classes)
    expected = np.bincount(data.labels, minlength=size) * len(part.labels) / len(data.labels)
    missing = np.flatnonzero((expected >= EXPECTED) & (np.bincount(part.labels, minlength=size) == 0))
    return str(data.classes[missing[0]]) if len(missing) else None
