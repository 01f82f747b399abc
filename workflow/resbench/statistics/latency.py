"""Summaries and comparisons of latency samples that claim no more than the samples support."""

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from resbench.statistics.intervals import LEVEL
from resbench.statistics.verdicts import LATENCY_MARGIN

# With this many independent samples, order statistics bound the percentile on both sides with 95 %
# probability (David & Nagaraja, Order Statistics, §7.1). With fewer, the percentile is not reported.
FEWEST_FOR_P90 = 46
FEWEST_FOR_P99 = 482
FEWEST_FOR_P999 = 4_840
# With fewer rounds, simulated intervals cover less than 95 % (tests/unit/statistics/test_latency_statistics.py).
FEWEST_ROUNDS = 3  # of a ratio
FEWEST_ROUNDS_FOR_P50 = 5
FEWEST_ROUNDS_FOR_P90 = 10

TRIM = 0.2  # share of the rounds on each side, which a machine that was busy for a while may have disturbed


class Interval(NamedTuple):
    """An estimate and its 95 % interval; low and high are None where the rounds are too few or differ too much."""

    estimate: float
    low: float | None
    high: float | None


class SettingSummary(NamedTuple):
    """Latency of one model at one setting, in ms.

    Percentiles are of all calls, interpolated linearly (Hyndman & Fan's type 7, numpy's default); None where the calls
    are too few.

    Attributes:
        calls: Number of calls.
        rounds: Number of rounds.
        load: Session load time, median over processes.
        first: First inference, median over processes.
        minimum: The shortest call.
        p50, p90: Median and 90th percentile, with their intervals.
        p99, p999: 99th and 99.9th percentile.
    """

    calls: int
    rounds: int
    load: float
    first: float
    minimum: float
    p50: Interval
    p90: Interval | None
    p99: float | None
    p999: float | None


def summarize_setting(calls: pd.DataFrame) -> SettingSummary:
    """Summarise the calls of one model at one setting.

    Args:
        calls: Their rows of samples.csv.

    Returns:
        The summary.
    """
    processes = calls.drop_duplicates(["variant", "seed", "round"])
    times = calls["latency_ms"].to_numpy(np.float64)
    return SettingSummary(
        calls=len(calls),
        rounds=calls["round"].nunique(),
        load=float(processes["load_ms"].median()),
        first=float(processes["first_ms"].median()),
        minimum=float(times.min()),
        p50=p50_interval(calls),
        p90=p90_interval(calls) if len(times) >= FEWEST_FOR_P90 else None,
        p99=float(np.quantile(times, 0.99)) if len(times) >= FEWEST_FOR_P99 else None,
        p999=float(np.quantile(times, 0.999)) if len(times) >= FEWEST_FOR_P999 else None,
    )


def p50_interval(calls: pd.DataFrame) -> Interval:
    """Return the median of all calls and its 95 % confidence interval; see `_half_width`.

    The interval's ends are computed on the logit scale, where they cannot leave the samples: of five rounds that differ
    much, they come close to the fastest and the slowest round.

    Args:
        calls: Calls of one model at one setting, with the columns `round` and `latency_ms`.

    Returns:
        The median in ms.
    """
    rounds, times = calls["round"].to_numpy(), calls["latency_ms"].to_numpy(np.float64)
    estimate = float(np.median(times))
    if len(np.unique(rounds)) < FEWEST_ROUNDS_FOR_P50:
        return Interval(estimate, None, None)
    half = special.expit(4 * _half_width(rounds, times <= estimate)) - 0.5  # d logit(p) = dp / (p (1 - p)) = 4 dp
    return Interval(estimate, *np.quantile(times, [0.5 - half, 0.5 + half]).tolist())


def p90_interval(calls: pd.DataFrame) -> Interval:
    """Return the 90th percentile of all calls and its 95 % confidence interval, as `p50_interval`.

    There is no interval where its upper end would lie beyond all calls: the rounds then differ too much.

    Args:
        calls: Calls of one model at one setting, with the columns `round` and `latency_ms`.

    Returns:
        The percentile in ms.
    """
    rounds, times = calls["round"].to_numpy(), calls["latency_ms"].to_numpy(np.float64)
    estimate = float(np.quantile(times, 0.9))
    if len(np.unique(rounds)) < FEWEST_ROUNDS_FOR_P90:
        return Interval(estimate, None, None)
    half = _half_width(rounds, times <= estimate)
    if half >= 0.1:
        return Interval(estimate, None, None)
    return Interval(estimate, *np.quantile(times, [0.9 - half, 0.9 + half]).tolist())


def _half_width(rounds: NDArray[Any], below: NDArray[np.bool_]) -> float:
    """Return half the 95 % interval of the share of calls that are `below` a threshold.

    Calls of one round are not independent, so a round counts as one draw: what varies is its share
    of calls below the threshold.  A percentile's interval is where the samples reach the ends of
    this one (Woodruff, Confidence intervals for medians and other position measures, 1952), which
    is how survey statistics treats clusters.  A round with more calls weighs more.

    Args:
        rounds: Round of each call, shape (calls,); at least two rounds.
        below: Whether each call is below it, shape (calls,).
    """
    _, member = np.unique(rounds, return_inverse=True)
    counts = np.bincount(member)
    excess = np.bincount(member, weights=below - below.mean()) / counts.mean()
    n = len(counts)
    return float(stats.t.isf(LEVEL / 2, n - 1) * np.sqrt(np.sum(excess**2) / (n * (n - 1))))


def round_minima(calls: pd.DataFrame) -> NDArray[np.float64]:
    """Return the shortest call of each round, in the order of the rounds.

    Whatever disturbs a call (other processes, interrupts, a lower clock) adds to its time, so the shortest is the one
    least disturbed (Chen & Revels, Robust benchmarking in noisy environments, 2016). It is for comparing models; it is
    not what a caller sees. The shortest call of all rounds ranks them; `latency_ratio` of the rounds' minima shows
    whether a difference is more than noise.

    Args:
        calls: Calls of one model at one setting, with the columns `round` and `latency_ms`.

    Returns:
        ms, shape (rounds,).
    """
    return calls.groupby("round", sort=True)["latency_ms"].min().to_numpy(np.float64)


class Ratio(NamedTuple):
    """How many times as long the first model takes as the second.

    Attributes:
        estimate: Above 1 where the first is slower.
        low, high: Its 95 % interval.
        p_value: P-value of the hypothesis of no difference, a ratio of 1.
        p_equivalence: P-value of the hypothesis of a ratio of 1 + LATENCY_MARGIN or more, in either direction.

    All but the estimate are None where the rounds are too few.
    """

    estimate: float
    low: float | None
    high: float | None
    p_value: float | None
    p_equivalence: float | None


def latency_ratio(first: NDArray[np.float64], second: NDArray[np.float64]) -> Ratio:
    """Compare two models by their times in the same rounds.

    What slows a complete round down slows both models and cancels in the round's ratio. The estimate is the 20 %
    trimmed mean of the ratios on the log scale, so that one round in five may be disturbed, and the ratio is inverted
    when both change places. Its interval is Student's with the winsorized variance (Tukey & McLaughlin 1963; Yuen
    1974). Equivalence is two one-sided tests (Schuirmann 1987) at 2.5 % each: p_equivalence is below 5 % exactly where
    the 95 % interval lies within the margin, [1 / (1 + LATENCY_MARGIN), 1 + LATENCY_MARGIN].

    Args:
        first, second: ms, shape (rounds,), rounds ≥ 1, in the same order.

    Returns:
        The ratio of the first to the second; without interval and p-values where the rounds are too few.
    """
    mean, error, freedom = trimmed_mean(np.log(first) - np.log(second))
    if len(first) < FEWEST_ROUNDS:
        return Ratio(float(np.exp(mean)), None, None, None, None)
    half = stats.t.isf(LEVEL / 2, freedom) * error
    distances = abs(mean), np.log1p(LATENCY_MARGIN) - abs(mean)
    p_value, p_equivalence = (_level(distance, error, freedom) for distance in distances)
    return Ratio(float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half)), p_value, p_equivalence)


class Trimmed(NamedTuple):
    """A trimmed mean, its standard error by the winsorized variance, and its degrees of freedom.

    The error is infinite where only one value remains.
    """

    mean: float
    error: float
    freedom: int


def trimmed_mean(values: NDArray[np.float64]) -> Trimmed:
    """Return the mean without the lowest and the highest 20 % (Tukey & McLaughlin 1963).

    Args:
        values: Shape (n,).

    Returns:
        The mean with its standard error.
    """
    ordered, n = np.sort(values), len(values)
    cut = int(TRIM * n)
    kept = n - 2 * cut
    mean = float(ordered[cut : n - cut].mean())
    if kept < 2:
        return Trimmed(mean, math.inf, 0)
    winsorized = np.clip(ordered, ordered[cut], ordered[n - cut - 1])
    return Trimmed(mean, float(np.sqrt((n - 1) * winsorized.var(ddof=1) / (kept * (kept - 1)))), kept - 1)


def _level(distance: float, error: float, freedom: int) -> float:
    """Return the level at which half of Student's interval is as long as `distance`, 1 where that is not positive."""
    if distance <= 0:
        return 1.0
    return float(2 * stats.t.sf(distance / error, freedom)) if error else 0.0
