"""comparisons.csv as tables: one for each kind of comparison."""

from collections.abc import Collection
from typing import Any

import pandas as pd

from resbench.report.comparisons import Kind
from resbench.report.format import between, p_value, points, ratio
from resbench.report.prose import describe_comparison, provider_title, setting_text
from resbench.report.tables import BLANK, Cell, Heading, Row, Table, text_cell

ACCURACY = "Test accuracy, variant against variant"
PRECISION = "Test accuracy, precision against fp32"
PUBLISHED = "Test accuracy, measured against published"
LATENCY = "Latency"
CAPTIONS = {Kind.NETWORK: ACCURACY, Kind.PRECISION: PRECISION, Kind.PUBLISHED: PUBLISHED, Kind.TARGET: PUBLISHED}
DIFFERENCE = Heading("Difference", "points", "of the accuracies, first less second; below it its 95 % interval")
RATIO = Heading("Ratio", "×", "of the latencies, first by second, of shortest calls; below it its 95 % interval")


def comparison_tables(comparisons: pd.DataFrame, foremost: Collection[str]) -> list[Table]:
    """Return the tables that have rows.

    What was not comparable, and pairs of different networks in different precisions, are left out.

    Args:
        comparisons: Rows of comparisons.csv.
        foremost: Variants whose rows come first.

    Returns:
        One table for each kind of comparison.
    """
    rows: dict[str, list[Row]] = {caption: [] for caption in (ACCURACY, PRECISION, PUBLISHED, LATENCY)}
    compared = comparisons.dropna(subset=["estimate"])
    later = ~(compared["first"].isin(foremost) | compared["second"].isin(foremost))
    hosts = compared["host"].replace("", None).nunique()
    for row in compared.loc[later.sort_values(kind="stable").index].to_dict("records"):
        kind = Kind(row["kind"])
        if kind is not Kind.MODEL:
            rows[LATENCY if row["metric"] == "latency" else CAPTIONS[kind]].append(
                _row(row, str(row["host"]) if hosts > 1 else "")
            )
    return [Table(caption, _headings(caption), lines) for caption, lines in rows.items() if lines]


def _headings(caption: str) -> list[Heading]:
    return [
        Heading("Pair", is_text=True, meaning="first against second"),
        Heading("Verdict", is_text=True, meaning="on the first"),
        RATIO if caption == LATENCY else DIFFERENCE,
        Heading("p", meaning="of no difference, Holm-adjusted for the number of comparisons"),
        Heading("Where", is_text=True, meaning="provider, batch size and threads"),
    ]


def _row(row: dict[Any, Any], host: str) -> Row:
    text = ratio if row["metric"] == "latency" else points
    place = provider_title(str(row["provider"]))
    if not pd.isna(row["batch_size"]):
        place += f", {setting_text((row['batch_size'], row['threads']))}{f', {host}' if host else ''}"
    first, second = (f"{row[name]} {row[f'{name}_precision']}".strip() for name in ("first", "second"))
    ends = () if pd.isna(row["low"]) else (between(text(row["low"]), text(row["high"]), "to"),)
    p = row["p_adjusted"]
    return Row(
        [
            text_cell(f"{first} against {second}"),
            text_cell(describe_comparison(row)),
            Cell(text(row["estimate"]), ends, row["estimate"]),
            BLANK if pd.isna(p) else Cell(p_value(p), value=p),
            text_cell(place),
        ]
    )
