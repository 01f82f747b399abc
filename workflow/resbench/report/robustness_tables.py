"""robustness.csv as tables: one for each provider, with the test sets below each other."""

from typing import Any

import pandas as pd

from resbench.benchmark.predictions import MAIN_TEST_SET
from resbench.data.corruptions import CORRUPTIONS
from resbench.report.columns import COLUMNS as REPORT_COLUMNS
from resbench.report.format import between, percent, points
from resbench.report.main_table import HEADINGS
from resbench.report.prose import provider_title
from resbench.report.tables import BLANK, Cell, Heading, Row, Table, text_cell

METRICS = [column for column in REPORT_COLUMNS if column.metric and column.shown]
CHANGES = {
    "change_from_test": Heading(
        "Change from the test set", "points", "compared with the same models on the main test images; 95 % CI below it"
    ),
    "change_from_fp32": Heading(
        "Change from fp32", "points", "compared with the same variant in fp32 on the same images; 95 % CI below it"
    ),
}


def robustness_tables(robustness: pd.DataFrame) -> list[Table]:
    """Return a table for each provider.

    Args:
        robustness: Rows of robustness.csv.

    Returns:
        The tables.
    """
    return [_table(str(provider), rows) for provider, rows in robustness.groupby("provider", sort=False)]


def _table(provider: str, rows: pd.DataFrame) -> Table:
    order = list(dict.fromkeys(rows["test_set"]))
    rows = rows.assign(place=rows["test_set"].map(order.index)).sort_values("place", kind="stable")
    changes = [name for name in CHANGES if rows[name].notna().any()]
    headings = [
        Heading("Test set", meaning="the main one first, then further ones", is_text=True),
        Heading("Images", meaning="in the test set"),
        HEADINGS["variant"],
        HEADINGS["precision"],
        HEADINGS["accuracy_mean"],
        *(CHANGES[name] for name in changes),
        *(HEADINGS[metric.name] for metric in METRICS),
    ]
    return Table(
        f"On further test sets, with the {provider_title(provider)} provider",
        headings,
        [Row(_cells(row, changes)) for row in rows.to_dict("records")],
    )


def _cells(row: dict[Any, Any], changes: list[str]) -> list[Cell]:
    interval = between(percent(row["accuracy_low"]), percent(row["accuracy_high"]))
    return [
        text_cell(test_set_title(row)),
        Cell(f"{row['images']:,.0f}", value=row["images"]),
        text_cell(row["variant"]),
        text_cell(row["precision"]),
        Cell(percent(row["accuracy_mean"]), (interval,), row["accuracy_mean"]),
        *(_change(row, name) for name in changes),
        *(_metric(row, metric) for metric in METRICS),
    ]


def test_set_title(row: dict[Any, Any]) -> str:
    """Return the name of a test set for readers.

    Args:
        row: A row of robustness.csv.

    Returns:
        `the test set`, `Gaussian noise, severity 3` or the user's own name.
    """
    if row["test_set"] == MAIN_TEST_SET:
        return "the test set"
    corruption = CORRUPTIONS.get(row["corruption"])
    return f"{corruption.title}, severity {row['severity']:.0f}" if corruption else row["test_set"]


def _change(row: dict[Any, Any], name: str) -> Cell:
    if pd.isna(row[name]):
        return BLANK
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    details = () if pd.isna(low) else (between(points(low), points(high), "to"),)
    return Cell(points(row[name]), details, row[name])


def _metric(row: dict[Any, Any], metric: Any) -> Cell:
    return Cell(metric.shown.text(row[metric.name]), value=row[metric.name])
