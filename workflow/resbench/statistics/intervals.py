"""95 % intervals of one model's accuracy, and of two models' difference, over the choice of test images alone."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from statsmodels.stats.proportion import proportion_confint

LEVEL = 0.05  # intervals cover 1 - LEVEL, tests are held to it

Hits = NDArray[np.bool_]  # (images,): is the likeliest class the right one?


def wilson_interval(correct: Hits) -> tuple[float, float]:
    """Of one model's accuracy (Wilson, Probable inference, JASA 22, 1927)."""
    low, high = proportion_confint(int(correct.sum()), correct.size, LEVEL, method="wilson")
    return float(low), float(high)


def discordant(first: Hits, second: Hits) -> tuple[int, int]:
    """How many images the first alone gets right, and how many the second alone."""
    return int((first & ~second).sum()), int((second & ~first).sum())


def paired_interval(first: Hits, second: Hits) -> tuple[float, float]:
    """Of the accuracy of `first` less that of `second` on the same images.

    Agresti & Min, Simple improved confidence intervals for comparing matched proportions,
    Statistics in Medicine 24, 2005.
    """
    only_first, only_second = discordant(first, second)
    images, gap = len(first), only_first - only_second
    centre = gap / (images + 2)
    variance = (only_first + only_second + 1) - gap**2 / (images + 2)
    margin = float(-ndtri(LEVEL / 2)) * variance**0.5 / (images + 2)
    return centre - margin, centre + margin
