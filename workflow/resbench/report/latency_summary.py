"""Latency samples in a few numbers that claim no more than the samples can carry."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# With this many independent samples, order statistics bound the percentile on both sides with 95 %
# probability (David & Nagaraja, Order Statistics, §7.1), with some to spare.  With fewer, the
# percentile is not reported.
FEWEST_FOR_P90 = 46
FEWEST_FOR_P99 = 482


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
