"""The latency table of one environment, with more than p50 and p90."""

from resbench.report.environments import Environment
from resbench.report.format import between, counted, significant
from resbench.report.main_table import HEADINGS
from resbench.report.tables import BLANK, Cell, Heading, Row, Table
from resbench.statistics.latency import (
    FEWEST_FOR_P90,
    FEWEST_FOR_P99,
    FEWEST_FOR_P999,
    FEWEST_ROUNDS_FOR_P50,
    FEWEST_ROUNDS_FOR_P90,
    Interval,
    SettingSummary,
    summarize_setting,
)

ROW_KEY = ["variant", "precision", "batch_size", "threads"]


def latency_table(environment: Environment) -> Table:
    """Return one row for each model and setting that was timed.

    Args:
        environment: Where they were timed.

    Returns:
        The table, in the order of the report.
    """
    summaries = {key: summarize_setting(calls) for key, calls in environment.calls.groupby(ROW_KEY, observed=True)}
    keys = list(environment.rows[ROW_KEY].itertuples(index=False, name=None))
    threads = environment.rows["threads"].dropna().unique()
    kept, shared = (ROW_KEY, "") if len(threads) != 1 else (ROW_KEY[:-1], f", on {counted(threads[0], 'thread')}")
    own = [
        Heading("Shortest", "ms", "the call that was disturbed least; models are compared by it"),
        Heading("p50", "ms", f"median; its 95 % interval from {FEWEST_ROUNDS_FOR_P50} rounds on"),
        Heading(
            "p90",
            "ms",
            f"90 % of the calls take no longer: from {FEWEST_FOR_P90} calls on; its 95 % interval from "
            f"{FEWEST_ROUNDS_FOR_P90} rounds on, where these do not differ too much",
        ),
        Heading("p99", "ms", f"from {FEWEST_FOR_P99} calls on"),
        Heading("p99.9", "ms", f"from {FEWEST_FOR_P999:,} calls on"),
        Heading("Load", "ms", "session load time, median over processes"),
        Heading("First call", "ms", "before any warm-up, median over processes"),
        Heading("Calls", "", "timed in all rounds"),
        Heading("Rounds", "", "each in a fresh process"),
    ]
    rows = [
        Row([*(_fact(value) for value in key[: len(kept)]), *_cells(summaries[key])])
        for key in keys
        if key in summaries
    ]
    headings = [*(HEADINGS[name] for name in kept), *own]
    return Table(f"Time of one call {environment.description}{shared}", headings, rows)


def _fact(value: str | float) -> Cell:
    return Cell(value if isinstance(value, str) else f"{value:.0f}", value=value)


def _cells(summary: SettingSummary) -> list[Cell]:
    return [
        _time(summary.minimum),
        *(_estimate(interval) for interval in (summary.p50, summary.p90)),
        *(_time(value) for value in (summary.p99, summary.p999, summary.load, summary.first)),
        *(Cell(f"{number:,}", value=number) for number in (summary.calls, summary.rounds)),
    ]


def _time(ms: float | None) -> Cell:
    return BLANK if ms is None else Cell(significant(ms), value=ms)


def _estimate(interval: Interval | None) -> Cell:
    if interval is None:
        return BLANK
    ends = [significant(end) for end in (interval.low, interval.high) if end is not None]
    return Cell(significant(interval.estimate), (between(*ends),) if ends else (), interval.estimate)
