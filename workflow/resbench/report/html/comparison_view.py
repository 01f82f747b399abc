"""comparisons.csv as a person reads it."""

from collections.abc import Collection
from typing import Any, NamedTuple

import pandas as pd

from resbench.report.comparisons import Kind
from resbench.report.format import between, p_value, points
from resbench.report.prose import describe_comparison, provider_words, setting_words


class Line(NamedTuple):
    """One comparison: who, where, the difference with its interval, the corrected p-value, the verdict in words."""

    first: str
    second: str
    place: str
    difference: str
    interval: str
    p_adjusted: str
    verdict: str


def comparison_view(comparisons: pd.DataFrame, foremost: Collection[str]) -> dict[str, list[Line]]:
    """Lines by kind: accuracy, precision (of the same network), published, latency.

    A kind has none where the file has none; what was not comparable, and pairs of different networks in different
    precisions, are left out.  Those of the networks in `foremost` come first.
    """
    kinds: dict[str, list[Line]] = {"accuracy": [], "precision": [], "published": [], "latency": []}
    headings = {Kind.NETWORK: "accuracy", Kind.PRECISION: "precision", Kind.PUBLISHED: "published"}
    headings |= {Kind.TARGET: "published"}
    compared = comparisons.dropna(subset=["estimate"])
    later = ~(compared["first"].isin(foremost) | compared["second"].isin(foremost))
    for row in compared.loc[later.sort_values(kind="stable").index].to_dict("records"):
        kind = Kind(row["kind"])
        if kind is not Kind.MODEL:
            kinds["latency" if row["metric"] == "latency" else headings[kind]].append(_line(row))
    return kinds


def _line(row: dict[Any, Any]) -> Line:
    form = "{:.3f}".format if row["metric"] == "latency" else points
    place = provider_words(str(row["provider"]))
    if not pd.isna(row["batch_size"]):
        place += f", {setting_words((row['batch_size'], row['threads']))}"
    p = row["p_adjusted"]
    return Line(
        f"{row['first']} {row['first_precision']}".strip(),
        f"{row['second']} {row['second_precision']}".strip(),
        place,
        form(row["estimate"]),
        "" if pd.isna(row["low"]) else between(form(row["low"]), form(row["high"]), "to"),
        "" if pd.isna(p) else p_value(p),
        describe_comparison(row),
    )
