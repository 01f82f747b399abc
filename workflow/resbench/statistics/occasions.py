"""Comparison of latencies of two runs at different times, which must exceed what the machine's state changes.

Two runs share no rounds, so nothing cancels: the clock, the memory layout and other processes of each occasion are in
its figures. How far the same model's latencies differ between occasions was measured (perf/occasions.py,
docs/methodology.md), and every interval here covers it.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from resbench.statistics.intervals import LEVEL, level_of
from resbench.statistics.latency import FEWEST_ROUNDS, Ratio, trimmed_mean
from resbench.statistics.verdicts import LATENCY_MARGIN


class Spread(NamedTuple):
    """How far a model's latencies differ between occasions.

    Attributes:
        deviation: Standard deviation of the logarithm of its latency over occasions: 0.05 is about 5 %.
        occasions: Number of occasions that it was measured on.
    """

    deviation: float
    occasions: int


# Measured by perf/occasions.py; docs/methodology.md says on what.
BETWEEN_OCCASIONS = Spread(deviation=0.042, occasions=20)


def estimate_spread(latencies: NDArray[np.float64]) -> Spread:
    """Return how far latencies differ between occasions, pooled over models.

    Args:
        latencies: ms, shape (occasions, models): of the same models at the same settings on each occasion.

    Returns:
        The spread.
    """
    variances = np.log(latencies).var(axis=0, ddof=1)
    return Spread(float(np.sqrt(variances.mean())), len(latencies))


def occasion_latency(minima: NDArray[np.float64]) -> float:
    """Return the latency of one occasion: the trimmed mean, on the log scale, of its rounds' shortest calls.

    Args:
        minima: Shortest call of each round in ms, shape (rounds,).

    Returns:
        ms.
    """
    return float(np.exp(trimmed_mean(np.log(minima)).mean))


def compare_occasions(first: NDArray[np.float64], second: NDArray[np.float64], spread: Spread) -> Ratio:
    """Compare two models, or one with itself, by their rounds on two occasions.

    The variance of the logarithm of the ratio has two parts: twice the variance between occasions, which was estimated
    once, and that of the rounds within each occasion.  Half-widths of both are added in quadrature (Howe 1974), each
    with Student's quantile for what it was estimated from.

    Args:
        first, second: Shortest call of each round in ms, shape (rounds,); the numbers of rounds may differ.
        spread: Between occasions.

    Returns:
        The ratio of the first to the second; without interval and p-values where the rounds are too few.
    """
    one, other = trimmed_mean(np.log(first)), trimmed_mean(np.log(second))
    gap = one.mean - other.mean
    if min(len(first), len(second)) < FEWEST_ROUNDS:
        return Ratio(float(np.exp(gap)), None, None, None, None)
    within = one.error**2 + other.error**2
    parts = one.error**4 / one.freedom + other.error**4 / other.freedom
    freedom = within**2 / parts if parts else 1.0

    def half_width(level: float) -> float:
        between = stdtrit(spread.occasions - 1, level / 2) ** 2 * 2 * spread.deviation**2
        return float(np.sqrt(between + stdtrit(freedom, level / 2) ** 2 * within))

    half = half_width(LEVEL)
    low, high = np.exp([gap - half, gap + half]).tolist()
    distances = abs(gap), math.log1p(LATENCY_MARGIN) - abs(gap)
    p_value, p_equivalence = (level_of(half_width, distance) for distance in distances)
    return Ratio(float(np.exp(gap)), low, high, p_value, p_equivalence)
