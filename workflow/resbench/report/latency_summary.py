"""Latency samples in a few numbers that claim no more than the samples can carry."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

# With this many independent samples, order statistics bound the percentile on both sides with 95 %
# probability (David & Nagaraja, Order Statistics, §7.1), with some to spare.  With fewer, the
# percentile is not reported.
FEWEST_FOR_P90 = 46
FEWEST_FOR_P99 = 482
# Two rounds bound nothing: Student's factor is 12.7 for one degree of freedom, 4.3 for two.
FEWEST_ROUNDS = 3

TRIM = 0.2  # of the rounds, on each side: what a machine that was busy for a while can spoil


class Interval(NamedTuple):
    """An estimate and its 95 % interval; low and high are None where the rounds are too few."""

    estimate: float
    low: float | None
    high: float | None


class LatencySummary(NamedTuple):
    """Milliseconds per call; None where the samples are too few."""

    minimum: float
    p50: float
    p90: float | None
    p99: float | None


def summarize_latency(samples: NDArray[np.float64]) -> LatencySummary:
    """Minimum, median and tail of latencies in milliseconds, shape (n,), n ≥ 1, in any order.

    Percentiles are interpolated linearly (Hyndman & Fan's type 7, numpy's default).
    """
    p50, p90, p99 = np.percentile(samples, [50, 90, 99]).tolist()
    return LatencySummary(
        minimum=float(samples.min()),
        p50=p50,
        p90=p90 if len(samples) >= FEWEST_FOR_P90 else None,
        p99=p99 if len(samples) >= FEWEST_FOR_P99 else None,
    )


def round_floors(calls: pd.DataFrame) -> NDArray[np.float64]:
    """The shortest call of each round in ms, shape (rounds,), in the order of the rounds.

    Whatever disturbs a call (other processes, interrupts, a lower clock) adds to its time, so that
    the shortest is the one least disturbed (Chen & Revels, Robust benchmarking in noisy
    environments, 2016).  It compares models; it is not what a caller sees.

    Args:
        calls: of one model at one setting, with the columns `round` and `latency_ms`.
    """
    return calls.groupby("round", sort=True)["latency_ms"].min().to_numpy(np.float64)


def latency_ratio(first: NDArray[np.float64], second: NDArray[np.float64]) -> Interval:
    """How many times as long `first` takes as `second`, from their times in the same rounds.

    What slows a whole round down slows both alike and cancels in the round's ratio.  The estimate
    is the 20 % trimmed mean of the ratios on the log scale, so that it inverts when both change
    places; the interval is Student's with winsorized variance (Tukey & McLaughlin 1963; Yuen 1974).

    Args:
        first, second: ms, shape (rounds,), rounds ≥ 1, in the same order.
    """
    logs = np.log(first) - np.log(second)
    estimate = float(np.exp(stats.trim_mean(logs, TRIM)))
    if len(logs) < FEWEST_ROUNDS:
        return Interval(estimate, None, None)
    low, high = np.exp(stats.mstats.trimmed_mean_ci(logs, (TRIM, TRIM), inclusive=(False, False)))
    return Interval(estimate, float(low), float(high))
