"""scenarios.csv as a person reads it: LoadGen's figures and verdicts, and our own p90 beside its."""

from typing import Any, NamedTuple

import pandas as pd

from resbench.report.format import change, significant, span
from resbench.report.measured import HEADINGS
from resbench.report.prose import provider_words, thread_words
from resbench.report.tables import BLANK, Cell, Heading, Row, Table, words

PLACE = ["provider", "host", "threads", "preset", "loadgen"]
MODEL = ["variant", "precision", "seed"]


class Scenarios(NamedTuple):
    """What ran in one place.  refusals: why LoadGen calls a run INVALID."""

    table: Table
    refusals: list[str]


def scenario_views(scenarios: pd.DataFrame, report: pd.DataFrame) -> list[Scenarios]:
    """One for each provider, machine and number of threads that models ran on.

    Args:
        scenarios: of scenarios.csv, no two rows of the same model, place and scenario.
        report: of report.csv, whose p90 of single images is shown where it is of the same place.
    """
    return [_view(runs, report) for _, runs in scenarios.groupby(PLACE, sort=False)]


def _view(runs: pd.DataFrame, report: pd.DataFrame) -> Scenarios:
    place = runs.iloc[0]
    caption = (
        f"LoadGen {place['loadgen']}, preset {place['preset']}, with the {provider_words(place['provider'])} provider "
        f"on {place['host'] or 'a host without a name'}, on {thread_words(place['threads'])}"
    )
    ours = _our_p90(report, place)
    several = runs["seed"].nunique() > 1
    rows = []
    for (variant, precision, seed), of_model in runs.groupby(MODEL, sort=False):
        found = {run["scenario"]: run for run in of_model.to_dict("records")}
        single, offline, server = (found.get(name) for name in ("SingleStream", "Offline", "Server"))
        names = [variant, precision, *([seed] if several else [])]
        cells = [
            *(words(str(name)) for name in names),
            _figure(single, "p90_ms"),
            _beside(ours.get((str(variant), str(precision))), single),
            _figure(offline, "rate_ips"),
            _figure(server, "rate_ips", _within(server)),
        ]
        rows.append(Row(cells))
    seeds = [Heading("Seed", meaning="of the training", words=True)] if several else []
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
        Heading("Our p90", "ms", "of the table above, one image a call; how far it is from LoadGen's"),
        Heading("Offline", "images/s", f"all images at once, answered in batches of {images}"),
        Heading("Server", "images/s", "highest rate of single images at random times whose p99 keeps the bound"),
    ]


def _our_p90(report: pd.DataFrame, place: pd.Series) -> dict[tuple[str, str], float]:
    """Of single images, by variant and precision, in ms; NaN where the calls were too few."""
    here = report[(report[["provider", "host", "threads"]] == place[["provider", "host", "threads"]]).all(axis=1)]
    single = here[here["batch_size"] == 1]
    return dict(zip(zip(single["variant"], single["precision"], strict=True), single["latency_p90_ms"], strict=True))


def _within(server: dict[Any, Any] | None) -> str:
    return f"p99 {significant(server['p99_ms'])}, bound {significant(server['p99_bound_ms'])} ms" if server else ""


def _figure(run: dict[Any, Any] | None, name: str, *details: str) -> Cell:
    return BLANK if run is None else Cell(significant(run[name]), (run["verdict"], *details), run[name])


def _beside(ours: float | None, single: dict[Any, Any] | None) -> Cell:
    if ours is None or pd.isna(ours):
        return BLANK
    return Cell(significant(ours), (change(ours / single["p90_ms"]),) if single else (), ours)
