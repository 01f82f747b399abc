"""report.csv as a person reads it: headings with units, intervals and published values under the measured ones."""

from collections.abc import Collection
from typing import Any, NamedTuple

import pandas as pd

from resbench.report.columns import SHOWN, TEXTS, Shown


class Column(NamedTuple):
    title: str
    unit: str
    about: str


class Cell(NamedTuple):
    """text: as shown; details: lines under it; value: what the column sorts by, None where blank."""

    text: str
    details: tuple[str, ...] = ()
    value: float | str | None = None


class Row(NamedTuple):
    cells: list[Cell]
    chosen: bool = False


class Table(NamedTuple):
    columns: list[Column]
    rows: list[Row]


BLANK = Cell("–")
COLUMNS = {name: Column(shown.title, shown.unit, shown.meaning) for name, shown in SHOWN.items()}


def table_view(rows: pd.DataFrame, chosen: Collection[tuple[str, str, float, float]], *, published: bool) -> Table:
    """Without the columns that have no value in any row; the marked rows first.

    Args:
        rows: of report.csv, of one host.
        chosen: variant, precision, batch size and threads of the rows to mark.
        published: whether published values apply to these images.
    """
    if not published:
        rows = rows.assign(published_accuracy=None, published_loss=None)
    kept = {
        name: shown
        for name, shown in SHOWN.items()
        if (name in TEXTS or rows[name].notna().any()) and not (shown.once and rows[name].nunique() == 1)
    }
    cells = rows.astype(object).where(rows.notna(), None)
    body = [
        Row(
            [_cell(row, name, shown) for name, shown in kept.items()],
            (row["variant"], row["precision"], row["batch_size"], row["threads"]) in chosen,
        )
        for row in cells.to_dict("records")
    ]
    return Table([COLUMNS[name] for name in kept], sorted(body, key=lambda row: not row.chosen))


def _cell(row: dict[Any, Any], name: str, shown: Shown) -> Cell:
    value = row[name]
    if value is None:
        return BLANK
    details = [detail(row, shown.text) for detail in shown.details]
    return Cell(shown.text(value), tuple(line for line in details if line), value)
