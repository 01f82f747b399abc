"""95 % confidence intervals of one model's accuracy, and of two models' difference, over the choice of test images."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri
from statsmodels.stats.proportion import proportion_confint

LEVEL = 0.05  # intervals cover with probability 1 - LEVEL, tests are at this level
SMALLEST_P = 1e-12  # smaller p-values are given as this

Hits = NDArray[np.bool_]  # (images,): whether the most probable class is right


def wilson_interval(correct: Hits) -> tuple[float, float]:
    """Return the Wilson score interval of one model's accuracy (Wilson, Probable inference, JASA 22, 1927).

    Args:
        correct: (images,).

    Returns:
        Lower and upper end, fractions.
    """
    low, high = proportion_confint(int(correct.sum()), correct.size, LEVEL, method="wilson")
    return float(low), float(high)


def discordant(first: Hits, second: Hits) -> tuple[int, int]:
    """Count the images that only one of two models gets right.

    Args:
        first, second: (images,), over the same images.

    Returns:
        How many only the first gets right, and how many only the second.
    """
    return int((first & ~second).sum()), int((second & ~first).sum())


def paired_interval(first: Hits, second: Hits) -> tuple[float, float]:
    """Return the 95 % confidence interval of the accuracy of `first` less that of `second` on the same images.

    Agresti & Min, Simple improved confidence intervals for comparing matched proportions, Statistics in Medicine 24,
    2005.

    Args:
        first, second: (images,), over the same images.

    Returns:
        Lower and upper end, fractions.
    """
    only_first, only_second = discordant(first, second)
    images, gap = len(first), only_first - only_second
    centre = gap / (images + 2)
    variance = (only_first + only_second + 1) - gap**2 / (images + 2)
    margin = float(-ndtri(LEVEL / 2)) * variance**0.5 / (images + 2)
    return max(-1.0, centre - margin), min(1.0, centre + margin)


def level_of(half_width: Callable[[float], float], distance: float) -> float:
    """Return the p-value of a distance: the level at which half the interval is as long.

    Args:
        half_width: Half the interval that misses its target with a given probability; it falls with that.
        distance: From the estimate to what is tested.

    Returns:
        The level, at least SMALLEST_P; 1 where the distance is not positive.
    """
    if distance <= 0:
        return 1.0
    if half_width(SMALLEST_P) <= distance:
        return SMALLEST_P
    return math.exp(brentq(lambda log: half_width(math.exp(log)) - distance, math.log(SMALLEST_P), 0.0))
