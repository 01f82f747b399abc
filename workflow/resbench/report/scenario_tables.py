"""scenarios.csv as tables: LoadGen's figures and verdicts, and the p90 of the latency stage next to LoadGen's."""

from typing import Any, NamedTuple

import pandas as pd

from resbench.report.format import change, counted, significant, span
from resbench.report.main_table import HEADINGS
from resbench.report.prose import provider_title
from resbench.report.tables import BLANK, Cell, Heading, Row, Table, text_cell

PLACE = ["provider", "host", "threads", "preset", "loadgen"]
MODEL = ["variant", "precision", "seed"]


class Scenarios(NamedTuple):
    """What ran in one place.

    Attributes:
        table: LoadGen's figures.
        refusals: Why LoadGen calls a run INVALID.
    """

    table: Table
    refusals: list[str]


def scenario_tables(scenarios: pd.DataFrame, report: pd.DataFrame) -> list[Scenarios]:
    """Return the figures of each provider, host and number of threads that models ran on.

    Args:
        scenarios: Rows of scenarios.csv, no two of the same model, place and scenario.
        report: Rows of report.csv, whose p90 of single images is shown where it is of the same place.

    Returns:
        The figures, one table each.
    """
    return [_table(runs, report) for _, runs in scenarios.groupby(PLACE, sort=False)]


def _table(runs: pd.DataFrame, report: pd.DataFrame) -> Scenarios:
    place = runs.iloc[0]
    caption = (
        f"LoadGen {place['loadgen']}, preset {place['preset']}, with the {provider_title(place['provider'])} provider "
        f"on {place['host'] or 'a host without a name'}, on {counted(place['threads'], 'thread')}"
    )
    ours = _our_p90(report, place)
    several = runs["seed"].nunique() > 1
    rows = []
    for (variant, precision, seed), of_model in runs.groupby(MODEL, sort=False):
        by_scenario = {run["scenario"]: run for run in of_model.to_dict("records")}
        single, offline, server = (by_scenario.get(name) for name in ("SingleStream", "Offline", "Server"))
        names = [variant, precision, *([seed] if several else [])]
        cells = [
            *(text_cell(str(name)) for name in names),
            _figure(single, "p90_ms"),
            _compared(ours.get((str(variant), str(precision))), single),
            _figure(offline, "rate_ips"),
            _figure(server, "rate_ips", _within(server)),
        ]
        rows.append(Row(cells))
    seeds = [Heading("Seed", meaning="of the training", is_text=True)] if several else []
    headings = [HEADINGS["variant"], HEADINGS["precision"], *seeds, *_columns(runs)]
    refused = runs[runs["verdict"] != "VALID"].to_dict("records")
    return Scenarios(
        Table(caption, headings, rows),
        [f"{run['variant']} {run['precision']}, {run['scenario']}: {run['reason']}" for run in refused],
    )


def _columns(runs: pd.DataFrame) -> list[Heading]:
    images = span(runs.loc[runs["scenario"] == "Offline", "batch_size"])
    return [
        Heading("SingleStream", "p90, ms", "one image after the other; LoadGen's p90 and verdict"),
        Heading("resbench's p90", "ms", "from the table above, one image in each call; its difference from LoadGen's"),
        Heading("Offline", "images/s", f"all images at once, processed in batches of {images}"),
        Heading("Server", "images/s", "highest rate of single images at random times whose p99 is within the bound"),
    ]


def _our_p90(report: pd.DataFrame, place: pd.Series) -> dict[tuple[str, str], float]:
    """Return the p90 of single images in ms, by variant and precision; NaN where the calls were too few."""
    here = report[(report[["provider", "host", "threads"]] == place[["provider", "host", "threads"]]).all(axis=1)]
    single = here[here["batch_size"] == 1]
    return dict(zip(zip(single["variant"], single["precision"], strict=True), single["latency_p90_ms"], strict=True))


def _within(server: dict[Any, Any] | None) -> str:
    return f"p99 {significant(server['p99_ms'])}, bound {significant(server['p99_bound_ms'])} ms" if server else ""


def _figure(run: dict[Any, Any] | None, name: str, *details: str) -> Cell:
    return BLANK if run is None else Cell(significant(run[name]), (run["verdict"], *details), run[name])


def _compared(ours: float | None, single: dict[Any, Any] | None) -> Cell:
    if ours is None or pd.isna(ours):
        return BLANK
    return Cell(significant(ours), (change(ours / single["p90_ms"]),) if single else (), ours)
