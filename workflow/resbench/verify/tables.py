"""Check that the tables, the recommendation and report.md follow from predictions and timings."""

import csv
import io
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import CHECKSUMS
from resbench.data.datasets import NOT_VERIFIED
from resbench.report.collate import ReportFiles, collate_report
from resbench.report.recommendation import Deployment, read_recommendations
from resbench.verify.faults import Fault, first, read

ROBUSTNESS = "robustness.csv"  # a source of report.md, where there are further test sets
# Columns that name a row in a message.
KEYS = {
    "report.csv": ("variant", "precision", "provider", "batch_size", "threads"),
    "comparisons.csv": (
        *("metric", "kind", "first", "first_precision", "second", "second_precision"),
        *("provider", "batch_size", "threads"),
    ),
}


def check_tables(folder: Path, sources: list[str]) -> Iterator[Fault]:
    """Yield everything in report.csv, comparisons.csv, recommendation.json and report.md that does not follow.

    Args:
        folder: Folder of a finished run.
        sources: The files that the report was made from, in their order.

    Yields:
        The faults.
    """
    paths = {path.name: path for path in ReportFiles.of(folder)[:-1]}
    stored = {name: read(read_text, path) for name, path in paths.items()}
    unreadable = [text for text in stored.values() if isinstance(text, Fault)]
    decided = read(read_recommendations, paths["recommendation.json"])
    if isinstance(decided, Fault):
        unreadable.append(decided)
    if unreadable or isinstance(decided, Fault):
        yield from dict.fromkeys(unreadable)
        return
    found = {name: str(text) for name, text in stored.items()}
    try:
        expected = _computed(folder, sources, found["report.csv"], decided.deployment)
    except (ResbenchError, ValueError, csv.Error) as error:
        yield Fault(paths["report.csv"], f"cannot be computed again: {error}")
        return
    for name, key in KEYS.items():
        yield from first(cell_faults(paths[name], found[name], expected[name], key))
    both = (json.loads(texts["recommendation.json"]) for texts in (found, expected))
    yield from first(
        Fault(paths["recommendation.json"], f"{place} is {one}, but {other} follows from the raw files")
        for place, one, other in json_differences(*both)
    )
    lines = (texts["report.md"].splitlines() for texts in (found, expected))
    yield from first(line_faults(paths["report.md"], *lines))


def _computed(folder: Path, sources: list[str], report: str, deployment: Deployment | None) -> dict[str, str]:
    """Return what `collate` writes of these sources, by the files' names.

    Raises:
        ResbenchError: They cannot be collated.
    """

    def named(pattern: str) -> list[Path]:
        found = [folder / name for name in sources if Path(name).match(pattern)]
        if not found:
            raise ResbenchError(f"{folder / CHECKSUMS} names no {pattern}")
        return found

    timings = list(zip(named("samples.csv"), named("host.json"), strict=True))
    rows = list(csv.DictReader(io.StringIO(report)))
    title = str(rows[0].get("dataset") or "") if rows else ""
    with tempfile.TemporaryDirectory() as temporary:
        files = ReportFiles.of(Path(temporary))
        collate_report(
            files,
            folder / "data/summary.json",
            named("parity.json"),
            named("*.npz"),
            timings,
            name=title.removesuffix(NOT_VERIFIED) or None,
            deployment=deployment,
            robustness=folder / ROBUSTNESS if ROBUSTNESS in sources else None,
        )
        return {path.name: read_text(path) for path in files[:-1]}


def cell_faults(path: Path, stored: str, expected: str, key: tuple[str, ...]) -> Iterator[Fault]:
    """Yield every cell of a CSV file that is not the expected one.

    Args:
        path: The file.
        stored: Its content.
        expected: The content that follows from the raw files.
        key: Columns that name a row.

    Yields:
        The faults.
    """
    found, computed = (list(csv.DictReader(io.StringIO(text))) for text in (stored, expected))
    header, wanted = (next(csv.reader(io.StringIO(text)), []) for text in (stored, expected))
    if header != wanted:
        yield Fault(path, "its columns are not those of this version")
        return
    if len(found) != len(computed):
        yield Fault(path, f"has {len(found)} rows, but {len(computed)} follow from the raw files")
    for number, (row, other) in enumerate(zip(found, computed, strict=False), 1):
        name = " ".join(other[column] for column in key if other[column])
        for column, value in row.items():
            if value != other.get(column):
                yield Fault(
                    path,
                    f"row {number} ({name}): {column} is {value!r:.60}, "
                    f"but {other.get(column)!r:.60} follows from the raw files",
                )


def line_faults(path: Path, stored: list[str], expected: list[str]) -> Iterator[Fault]:
    """Yield every line of a text that is not the expected one.

    Args:
        path: The file.
        stored: Its lines.
        expected: The lines that follow from the raw files.

    Yields:
        The faults.
    """
    for number, (one, other) in enumerate(itertools.zip_longest(stored, expected), 1):
        if one != other:
            parts = _from_difference(one, other), _from_difference(other, one)
            yield Fault(path, f"line {number} is {parts[0]}, but {parts[1]} follows from the raw files")


def _from_difference(line: str | None, other: str | None) -> str:
    """Return a line from shortly before the place at which it differs from the other one."""
    if line is None:
        return "missing"
    pairs = zip(line, other or "", strict=False)
    place = next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(line), len(other or "")))
    return repr(line[max(0, place - 20) : place + 60])


def json_differences(found: Any, expected: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield where two JSON values differ: the place, and both values.

    Args:
        found: One value.
        expected: The other one.
        place: Of both, in the value that they are parts of.

    Yields:
        The place, and both values as text.
    """
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        for key in found:
            yield from json_differences(found[key], expected[key], f"{place}.{key}".lstrip("."))
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from json_differences(one, other, f"{place}.{number}")
    elif found != expected:
        yield place, f"{json.dumps(found):.60}", f"{json.dumps(expected):.60}"


def read_text(path: Path) -> str:
    """Return the content of a text file.

    Args:
        path: The file.

    Returns:
        The text.

    Raises:
        ResbenchError: It is missing or no UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ResbenchError(f"{path}: cannot be read as text ({one_line(error)})") from error
