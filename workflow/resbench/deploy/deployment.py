"""Read what a bundle is made from: the recommendation for its network, and its rows of the tables."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from resbench.common.errors import ResbenchError
from resbench.report.recommendation import Precision, Recommendation, read_recommendations
from resbench.report.robustness import read_robustness
from resbench.report.robustness_tables import test_set_title
from resbench.report.schema import read_report


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

    @property
    def setting(self) -> tuple[int, int]:
        """Return (batch size, threads)."""
        return self.batch_size, self.threads


class TestSetResult(NamedTuple):
    """A row of robustness.csv: the deployed network and precision on one test set.

    Accuracies are fractions, of the mean over seeds with its 95 % interval; `change` is against the main test set, None
    on that itself, and has an interval where both are versions of the same images.
    """

    test_set: str
    images: int
    accuracy: float
    interval: tuple[float, float]
    change: float | None
    change_interval: tuple[float, float] | None


class Decision(NamedTuple):
    """What recommendation.json says of one network.

    Attributes:
        place: The recommendation for where bundles run, of which this is a part.
        precision: The precision of this network, and why.
    """

    place: Recommendation
    precision: Precision


def read_decision(recommendation: Path, variant: str) -> Decision:
    """Return which precision of a network is recommended, where bundles run.

    Args:
        recommendation: recommendation.json.
        variant: Name of the network.

    Returns:
        The precision, and the recommendation that it belongs to.

    Raises:
        ResbenchError: The file is not what `collate` writes, or recommends nothing for this network.
    """
    place = read_recommendations(recommendation).deployed()
    if place is None or variant not in place.precisions:
        raise ResbenchError(
            f"{recommendation}: no precision of {variant} is recommended where bundles run; "
            "measure its accuracy and latency there, and collate again"
        )
    return Decision(place, place.precisions[variant])


def read_rows(report: Path, variant: str, provider: str, host: str) -> list[Measured]:
    """Return the rows of report.csv of one variant, provider and host that have latency and accuracy.

    Args:
        report: report.csv.
        variant: Name of the network.
        provider: Execution provider.
        host: Name of the host.

    Returns:
        The rows.

    Raises:
        ResbenchError: The file is not what `collate` writes.
    """
    table = read_report(report)
    own = table[(table["variant"] == variant) & (table["provider"] == provider) & (table["host"] == host)]
    timed = own.dropna(subset=["batch_size", "accuracy_mean"])
    return [_measured(row) for row in timed.to_dict("records")]


def read_test_set_results(robustness: Path, variant: str, precision: str, provider: str) -> list[TestSetResult]:
    """Return the rows of robustness.csv of one variant, precision and provider.

    Args:
        robustness: robustness.csv.
        variant: Name of the network.
        precision: Its precision.
        provider: Execution provider.

    Returns:
        The rows.

    Raises:
        ResbenchError: The file is not what `robustness` writes.
    """
    table = read_robustness(robustness)
    own = (table["variant"] == variant) & (table["precision"] == precision) & (table["provider"] == provider)
    return [_test_set_result(row) for row in table[own].to_dict("records")]


def _test_set_result(row: dict[Any, Any]) -> TestSetResult:
    change, low, high = (row[f"change_from_test{ending}"] for ending in ("", "_low", "_high"))
    return TestSetResult(
        test_set_title(row),
        int(row["images"]),
        row["accuracy_mean"],
        (row["accuracy_low"], row["accuracy_high"]),
        None if pd.isna(change) else change,
        None if pd.isna(low) else (low, high),
    )


def _measured(row: dict[Any, Any]) -> Measured:
    values: dict[str, Any] = {name: None if pd.isna(row[name]) else row[name] for name in Measured._fields}
    return Measured(**values | {name: int(row[name]) for name in ("batch_size", "threads", "seeds")})
