"""Convert an archive to two array files, with a summary and a contact sheet for people."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resbench.common.errors import ResbenchError
from resbench.common.files import atomic, read_object, sha256, write_json
from resbench.common.progress import say
from resbench.data.archive import read_archive
from resbench.data.origin import Origin
from resbench.data.store import Split, write_arrays


def convert_archive(
    archive: Path, train: Path, test: Path, *, record: Path | None, summary: Path | None, samples: Path | None
) -> None:
    """Read an archive and write all outputs, or none.

    Args:
        archive: An untrusted archive; see `read_archive`.
        train, test: Files to write, for `load_split`.
        record: What the download stage wrote; its source is quoted in the summary and in messages.
        summary: File to write, JSON: image counts by class, test images that are also training images, channel
            statistics, hash, source and layout.
        samples: File to write, PNG: a contact sheet of training images.

    Raises:
        ResbenchError: The archive or the record is not usable, or an output cannot be written.
    """
    outputs = [path for path in (train, test, summary, samples) if path]
    if len({path.resolve() for path in (archive, *outputs)}) <= len(outputs):
        raise ResbenchError(f"{archive}: archive and outputs must be different files; name others")
    for path in outputs:
        if path.is_dir():
            raise ResbenchError(f"{path}: is a folder; give the name of the file to write")
    source = _source(record)
    content = read_archive(archive, Origin.of(source) if source else None)
    repeated = count_repeated(content.train.images, content.test.images)
    if repeated:
        say(
            f"{archive}: {repeated:,} of {len(content.test.labels):,} test images are also training images; a network "
            "may know them by heart, and accuracies count them; remove them from one of the two"
        )
    try:
        with ExitStack() as stack:
            target = {path: stack.enter_context(atomic(path)) for path in outputs}
            write_arrays(target[train], content.train)
            write_arrays(target[test], content.test)
            if summary:
                write_json(
                    target[summary],
                    _summarize(content.train, content.test)
                    | {
                        "layout": content.layout,
                        "sha256": content.sha256,
                        "train_sha256": sha256(target[train]),
                        "test_sha256": sha256(target[test]),
                        "test_images_in_train": repeated,
                        "source": source,
                        "unreadable": content.unreadable,
                    },
                )
            if samples:
                from resbench.data.contact_sheet import contact_sheet

                contact_sheet(content.train).save(target[samples], format="png")
    except OSError as error:
        raise ResbenchError(
            f"{error.filename or train}: cannot be written ({error.strerror}); free space or choose another place"
        ) from error


def _source(record: Path | None) -> str | None:
    if record is None:
        return None
    content = read_object(record, "download --record")
    if not isinstance(content.get("source"), str):
        raise ResbenchError(f"{record}: has no source; delete it and run `resbench download` again")
    return str(content["source"])


def _summarize(train: Split, test: Split) -> dict[str, Any]:
    mean, deviation = channel_statistics(train.images)
    return {
        "classes": train.classes.tolist(),
        "train_images": len(train.labels),
        "test_images": len(test.labels),
        "train_counts": np.bincount(train.labels, minlength=len(train.classes)).tolist(),
        "test_counts": np.bincount(test.labels, minlength=len(test.classes)).tolist(),
        "channel_mean": mean.tolist(),
        "channel_std": deviation.tolist(),
    }


def count_repeated(train: NDArray[np.uint8], test: NDArray[np.uint8]) -> int:
    """Return how many test images are, pixel for pixel, training images as well.

    Args:
        train: uint8 (N, 32, 32, 3).
        test: uint8 (M, 32, 32, 3).

    Returns:
        Their number.
    """
    weights = np.random.default_rng(0).integers(1 << 64, size=32 * 32 * 3 // 8, dtype=np.uint64)
    train_sums, test_sums = (images.reshape(len(images), -1).view(np.uint64) @ weights for images in (train, test))
    # Equal images have equal sums; of the few others with equal sums, the pixels decide.
    trained = {image.tobytes() for image in train[np.isin(train_sums, test_sums)]}
    return sum(image.tobytes() in trained for image in test[np.isin(test_sums, train_sums)])


def channel_statistics(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and population standard deviation of each channel of pixels / 255.

    They are summed in integers and therefore exact to the last rounding.

    Args:
        images: uint8 (N, 32, 32, 3).

    Returns:
        Two float64 arrays (3,).
    """
    total, squares = np.zeros(3, np.uint64), np.zeros(3, np.uint64)
    for start in range(0, len(images), 1000):  # 1000 × 255² fits uint32, the fastest sum
        pixels = images[start : start + 1000].reshape(-1, 32 * 32 * 3)
        total += pixels.sum(0, np.uint32).reshape(-1, 3).sum(0, np.uint64)
        square = np.multiply(pixels, pixels, dtype=np.uint16)
        squares += square.sum(0, np.uint32).reshape(-1, 3).sum(0, np.uint64)
    count = images.size // 3
    mean = total / count
    return mean / 255, np.sqrt(squares / count - mean**2) / 255
