"""The main table of an environment: rows of report.csv, with intervals and published values in the same cells."""

from collections.abc import Collection
from typing import Any

import pandas as pd

from resbench.report.column import Shown
from resbench.report.columns import SHOWN, TEXTS
from resbench.report.tables import BLANK, Cell, Heading, Row, Table

HEADINGS = {name: Heading(one.title, one.unit, one.meaning, is_text=name in TEXTS) for name, one in SHOWN.items()}


def main_table(
    rows: pd.DataFrame, place: str, chosen: Collection[tuple[str, str, float, float]], *, published: bool
) -> Table:
    """Return the main table; columns that have no value, or the same value in all rows, are left out.

    Args:
        rows: Rows of report.csv of one environment.
        place: Name of the environment in the caption.
        chosen: Variant, precision, batch size and threads of the rows to mark.
        published: Whether published values apply to these images.

    Returns:
        The table, the marked rows first.
    """
    if not published:
        rows = rows.assign(published_accuracy=None, published_loss=None)
    once = [name for name, shown in SHOWN.items() if shown.once and rows[name].nunique() == 1]
    kept = {
        name: shown for name, shown in SHOWN.items() if name not in once and (name in TEXTS or rows[name].notna().any())
    }
    shared = [f", {shown.once(rows[name].dropna().iloc[0])}" for name in once if (shown := SHOWN[name]).once]
    values = rows.astype(object).where(rows.notna(), None).to_dict("records")
    lines = [
        Row(
            [_cell(row, name, shown) for name, shown in kept.items()],
            (row["variant"], row["precision"], row["batch_size"], row["threads"]) in chosen,
        )
        for row in values
    ]
    lines.sort(key=lambda row: not row.chosen)
    return Table(f"Measured {place}{''.join(shared)}", [HEADINGS[name] for name in kept], lines)


def _cell(row: dict[Any, Any], name: str, shown: Shown) -> Cell:
    value = row[name]
    if value is None:
        return BLANK
    details = [detail(row, shown.text) for detail in shown.details]
    return Cell(shown.text(value), tuple(line for line in details if line), value)
