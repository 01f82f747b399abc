"""Check that robustness.csv follows from the predictions on further test sets."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resbench.common.errors import ResbenchError
from resbench.common.files import CHECKSUMS
from resbench.data.corruptions import corrupt, parse_name
from resbench.data.store import load_split
from resbench.report.robustness import write_robustness
from resbench.verify.faults import Fault, first, read
from resbench.verify.tables import ROBUSTNESS, cell_faults, read_text

ROBUSTNESS_CHECKSUMS = f"{CHECKSUMS}.robustness"
KEY = ("variant", "precision", "provider", "test_set")
LEVELS = 0.5  # mean difference from 0 to 255: other versions of libraries round in another way
IMAGES = 64


def check_robustness(folder: Path, sources: list[str]) -> Iterator[Fault]:
    """Yield every cell of robustness.csv that does not follow, and predictions that it leaves out.

    Args:
        folder: Folder of a finished run.
        sources: The files that SHA256SUMS.robustness names, in their order.

    Yields:
        The faults.
    """
    path = folder / ROBUSTNESS
    stored = read(read_text, path)
    if isinstance(stored, Fault):
        yield stored
        return
    yield from _check_images(folder)
    predictions = [folder / name for name in sources if name.startswith("predictions/")]
    for extra in sorted(folder.glob("predictions/*/*/*/*.npz")):
        if extra not in predictions:
            yield Fault(extra, f"is not named in {folder / ROBUSTNESS_CHECKSUMS}")
    try:
        with tempfile.TemporaryDirectory() as temporary:
            write_robustness(Path(temporary) / ROBUSTNESS, predictions)
            expected = read_text(Path(temporary) / ROBUSTNESS)
    except (ResbenchError, ValueError) as error:
        yield Fault(path, f"cannot be computed again: {error}")
        return
    yield from first(cell_faults(path, stored, expected, KEY))


def _check_images(folder: Path) -> Iterator[Fault]:
    """Yield corrupted copies that are not made from the test images; the first images stand for all."""
    test = read(load_split, folder / "data/test.npz")
    if isinstance(test, Fault):
        return  # the chain of hashes names it
    for path in sorted(folder.glob("data/corrupted/*.npz")):
        found, corruption = read(load_split, path), parse_name(path.stem)
        if isinstance(found, Fault) or corruption is None:
            yield found if isinstance(found, Fault) else Fault(path, "is called like no corruption")
            continue
        expected = corrupt(test.images[:IMAGES], *corruption)
        if found.images.shape != test.images.shape or _difference(found.images[:IMAGES], expected) > LEVELS:
            record, severity = corruption
            yield Fault(
                path, f"are not the images of {folder / 'data/test.npz'} with {record.title}, severity {severity}"
            )


def _difference(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    return float(np.abs(images.astype(np.int16) - others).mean())
