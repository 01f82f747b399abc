"""Whether everything that a finished run claims follows from its raw files.

Four questions, for none of which TensorFlow is needed: are these the files that the report was made from
(SHA256SUMS); is each made from the one before it, from the data to the bundles, by the hashes that the stages
recorded; do the tables and the recommendation follow from predictions and timings; and does each model still give its
stored predictions?
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from resbench.common.errors import ResbenchError
from resbench.common.files import CHECKSUMS, read_checksums
from resbench.verify.chain import check_bundles, check_chain
from resbench.verify.faults import Fault, check_files
from resbench.verify.predictions import check_predictions
from resbench.verify.tables import check_tables


def verify_results(
    folder: Path, *, images: int, threads: int | None, note: Callable[[str], None] = lambda line: None
) -> Iterator[Fault]:
    """Yield everything in a folder of results that contradicts its raw files.

    Args:
        folder: of a finished run.
        images: how many test images each model is run on again.
        threads: for these calls; None takes every core.
        note: called with what cannot be checked on this machine.

    Raises:
        ResbenchError: The folder holds no finished run of this version.
    """
    sums = folder / CHECKSUMS
    if not sums.is_file():
        raise ResbenchError(f"{sums}: no such file; {folder} is no finished run, or one of an older version")
    sources = read_checksums(sums, outside=True)
    yield from check_files(folder, sources)
    yield from check_chain(folder)
    yield from check_tables(folder, list(sources))
    yield from check_predictions(folder, images, threads, note)
    yield from check_bundles(folder)
