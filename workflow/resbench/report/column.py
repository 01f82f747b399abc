"""What a column of report.csv is; `columns` lists them all."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandera.pandas as pa
from numpy.typing import NDArray

from resbench.report.entries import Entry
from resbench.report.format import between, significant

Row = dict[str, Any]
Text = Callable[[Any], str]
Detail = Callable[[Row, Text], str | None]  # a line below a value, given the row and how the value is written
Metric = Callable[[NDArray[np.float32], NDArray[np.uint8]], float]  # of probabilities (N, classes) and labels (N,)
POSITIVE = pa.Check.gt(0, error="must be above 0")
NOT_NEGATIVE = pa.Check.ge(0, error="must not be below 0")
FRACTION = pa.Check.in_range(0, 1, error="must be a fraction from 0 to 1")
NAME = pa.Check.str_matches(r"^[\w.-]+$", error="must be a name of letters, digits, points, dashes and underscores")


class Shown(NamedTuple):
    """How a column is shown to people.

    Attributes:
        title: Heading.
        unit: As written below the heading; it may be another than the file's.
        text: Returns a value as it is written.
        details: Further lines of the cell, from other columns of the row.
        meaning: What the heading means, where that is more than the column's own meaning.
        once: Returns as text a value that all rows share, which then stands in the caption instead of a column.
    """

    title: str
    unit: str = ""
    text: Text = significant
    details: tuple[Detail, ...] = ()
    meaning: str = ""
    once: Text | None = None


@dataclass(frozen=True)
class Column:
    """One column of report.csv.

    Attributes:
        name: Heading in the file.
        meaning: What a value means, for the documentation.
        compute: Returns the value of an entry, None where it was not measured or the samples are too few.
        type: `str`, `int` or `float`.
        unit: Of the values in the file.
        checks: Conditions that every value fulfils.
        required: Whether no cell may be empty.
        shown: How it is shown to people; None where only the file has it.
        metric: A function of one model's probabilities, whose mean over seeds is the value (instead of `compute`).
    """

    name: str
    meaning: str
    compute: Callable[[Entry], Any] = lambda entry: None
    type: type = float
    unit: str = ""
    checks: tuple[pa.Check, ...] = ()
    required: bool = False
    shown: Shown | None = None
    metric: Metric | None = None

    def value(self, entry: Entry) -> Any:
        """Return the value of an entry.

        Args:
            entry: One row's measurements.

        Returns:
            The value; None where there is none.
        """
        if self.metric is None:
            return self.compute(entry)
        values = [evaluation.metrics[self.name] for evaluation in entry.evaluations]
        return statistics.fmean(values) if values else None


def interval(low: str, high: str) -> Detail:
    """Return the detail that shows an interval.

    Args:
        low: Column of its lower end.
        high: Column of its upper end.

    Returns:
        The detail.
    """
    return lambda row, text: None if row[low] is None else between(text(row[low]), text(row[high]))


def labelled(label: str, name: str, text: Text | None = None) -> Detail:
    """Return the detail that shows another column's value after a label.

    Args:
        label: The label.
        name: The column.
        text: Writes the value; None writes it as the cell's own.

    Returns:
        The detail.
    """
    return lambda row, own: None if row[name] is None else f"{label} {(text or own)(row[name])}"
