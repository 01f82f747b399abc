"""Which precision of a variant is deployed: decided by the report, by a rule that anyone can repeat."""

import csv
from pathlib import Path
from typing import NamedTuple

from resbench.common.errors import ResbenchError, one_line
from resbench.statistics.metrics import keeps_accuracy


class Setting(NamedTuple):
    """Where a model is deployed: an execution provider, images a call and intra-op threads."""

    provider: str
    batch_size: int
    threads: int


class Measured(NamedTuple):
    """A row of report.csv: one precision at one setting.

    Accuracies are fractions, of the mean over `seeds` trainings with its 95 % interval; latencies
    are ms a call, throughput images a second; None where not measured.
    """

    precision: str
    batch_size: int
    threads: int
    seeds: int
    accuracy_mean: float
    accuracy_low: float
    accuracy_high: float
    latency_min_ms: float | None
    latency_p50_ms: float | None
    latency_p90_ms: float | None
    throughput_ips: float | None
    host: str
    dataset: str


def choose(rows: list[Measured], wanted: str, report: Path) -> Measured:
    """The row of the precision that is deployed.

    Args:
        rows: one for each precision, fp32 among them, all at one setting.
        wanted: a precision; or `fastest`, the one of the shortest call among those that keep fp32's
            accuracy (`keeps_accuracy`).  The shortest call, since it is the one least disturbed.
        report: where the rows are from.

    Raises:
        ResbenchError: it is not among the rows, or none was timed.
    """
    by_precision = {row.precision: row for row in rows}
    for needed in ("fp32", wanted):
        if needed not in (*by_precision, "fastest"):
            known = ", ".join(by_precision) or "none"
            raise ResbenchError(f"{report}: has no {needed} model at the setting to deploy for; there are: {known}")
    if wanted != "fastest":
        return by_precision[wanted]
    reference = by_precision["fp32"].accuracy_mean
    sound = [row for row in rows if keeps_accuracy(row.accuracy_mean, reference)]
    timed = [(row.latency_min_ms, row) for row in sound if row.latency_min_ms is not None]
    if not timed:
        raise ResbenchError(f"{report}: has no latency at the setting to deploy for; measure it, or name a precision")
    return min(timed, key=lambda pair: pair[0])[1]


def read_rows(report: Path, variant: str, provider: str) -> list[Measured]:
    """The rows of report.csv of one variant and provider that were timed.

    Raises:
        ResbenchError: the file is not what `collate` writes.
    """
    try:
        with report.open(newline="", encoding="utf-8") as stream:
            found = [row for row in csv.DictReader(stream) if (row["variant"], row["provider"]) == (variant, provider)]
        return [_measured(row) for row in found if row["batch_size"]]
    except FileNotFoundError as error:
        raise ResbenchError(f"{report}: no such file; make it with `resbench collate`") from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:  # UnicodeDecodeError is a ValueError
        raise ResbenchError(
            f"{report}: not what `resbench collate` writes ({one_line(error)}); collate again"
        ) from error


def _measured(row: dict[str, str]) -> Measured:
    def optional(name: str) -> float | None:
        return float(row[name]) if row[name] else None

    return Measured(
        precision=row["precision"],
        batch_size=int(row["batch_size"]),
        threads=int(row["threads"]),
        seeds=int(row["seeds"]),
        accuracy_mean=float(row["accuracy_mean"]),
        accuracy_low=float(row["accuracy_low"]),
        accuracy_high=float(row["accuracy_high"]),
        latency_min_ms=optional("latency_min_ms"),
        latency_p50_ms=optional("latency_p50_ms"),
        latency_p90_ms=optional("latency_p90_ms"),
        throughput_ips=optional("throughput_ips"),
        host=row["host"],
        dataset=row["dataset"],
    )
