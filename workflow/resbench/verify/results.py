"""Check that everything that a finished run claims follows from its raw files.

Five questions, for none of which TensorFlow is needed: are these the files that the report was made from
(SHA256SUMS); is each made from the one before it, from the data to the bundles, by the hashes that the stages
recorded; do the tables and the recommendation follow from predictions and timings; does the page follow from the
tables; and does each model still give its stored predictions?
"""

from collections.abc import Iterator
from pathlib import Path

from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import CHECKSUMS, read_checksums
from resbench.verify.bundles import check_bundles
from resbench.verify.chain import check_chain
from resbench.verify.faults import Fault, Note, check_files
from resbench.verify.histories import check_histories
from resbench.verify.page import PAGE, PAGE_CHECKSUMS, check_page
from resbench.verify.predictions import check_predictions
from resbench.verify.robustness import ROBUSTNESS_CHECKSUMS, check_robustness
from resbench.verify.scenarios import SCENARIOS, check_scenarios
from resbench.verify.tables import ROBUSTNESS, check_tables

# Checksums that a stage writes with its own result, where it ran.
OPTIONAL = {PAGE_CHECKSUMS: PAGE, ROBUSTNESS_CHECKSUMS: ROBUSTNESS}


def verify_results(
    folder: Path, name: Path, *, images: int, threads: int | None, note: Note = lambda line: None
) -> Iterator[Fault]:
    """Yield everything in a finished run that contradicts its raw files.

    Args:
        folder: Folder of the run.
        name: The path by which the user named the run: the folder, or the crate that was unpacked to it.
        images: How many test images each model is run on again.
        threads: CPU threads of these runs; None takes every core.
        note: Called with what cannot be checked on this machine.

    Yields:
        The faults.

    Raises:
        ResbenchError: There is not a finished run of this version.
    """

    def renamed(text: str) -> str:
        return text.replace(str(folder), str(name))

    for fault in _faults(folder, images, threads, lambda line: note(renamed(line)), outside=folder == name):
        path = name / fault.path.relative_to(folder) if fault.path.is_relative_to(folder) else fault.path
        yield Fault(path, renamed(fault.what))


def _faults(folder: Path, images: int, threads: int | None, note: Note, *, outside: bool) -> Iterator[Fault]:
    """Yield the faults of a results folder; outside: whether timings may lie outside of it."""
    sums = folder / CHECKSUMS
    if not sums.is_file():
        raise ResbenchError(f"{sums}: no such file; {folder} is not a finished run, or one of an older version")
    sources = {CHECKSUMS: read_checksums(sums, outside=outside)}
    for name, result in OPTIONAL.items():
        if (folder / name).is_file():
            sources[name] = read_checksums(folder / name, outside=outside)
        elif (folder / result).is_file():
            yield Fault(folder / name, f"is missing, so that nothing says what {result} was made from")
        elif result == PAGE:
            note(f"verify: {folder} has no {PAGE}, so that only its tables are checked")
    named: dict[str, str] = {}
    for sums_name, hashes in sources.items():
        new = {name: digest for name, digest in hashes.items() if named.get(name) != digest}
        yield from check_files(folder, new, sums_name)
        named |= hashes
    yield from _guarded(folder / "onnx", check_chain(folder))
    yield from _guarded(folder / "models", check_histories(folder))
    yield from _guarded(folder / "report.csv", check_tables(folder, list(sources[CHECKSUMS])))
    if ROBUSTNESS_CHECKSUMS in sources:
        robustness = check_robustness(folder, list(sources[ROBUSTNESS_CHECKSUMS]))
        yield from _guarded(folder / ROBUSTNESS, robustness)
    if (folder / SCENARIOS).is_file():
        yield from _guarded(folder / SCENARIOS, check_scenarios(folder))
    if PAGE_CHECKSUMS in sources:
        yield from _guarded(folder / PAGE, check_page(folder, list(sources[PAGE_CHECKSUMS]), note))
    yield from _guarded(folder / "predictions", check_predictions(folder, images, threads, note))
    yield from _guarded(folder / "model_repository", check_bundles(folder, list(sources[CHECKSUMS]), note))


def _guarded(path: Path, faults: Iterator[Fault]) -> Iterator[Fault]:
    """Yield the faults of a check; that hostile content ends the check is one of them.

    Args:
        path: What is checked.
        faults: Its faults.

    Yields:
        The faults.
    """
    try:
        yield from faults
    except (ResbenchError, OSError, ImportError):  # the command line says what to do
        raise
    except Exception as error:  # readers and libraries raise dozens of types on hostile content
        yield Fault(path, f"cannot be checked: {type(error).__name__}, {one_line(error)}")
