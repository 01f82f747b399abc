"""What accuracies prove about networks: over the seeds they were trained from and the images they were tested on.

Correctness is a table of seeds × images, both drawn from more than was tried: crossed random effects
(Searle, Casella & McCulloch, Variance Components, 1992, ch. 4).  An image that is hard for one
training is hard for the next, so neither source alone tells how far a mean may be off.

Margins add Student's for the few seeds and the normal one for the many images in quadrature (Howe,
Approximate confidence limits on the mean of X + Y, JASA 69, 1974).  docs/methodology.md says why.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtrit
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from resbench.statistics.intervals import LEVEL, Hits, discordant, paired_interval, wilson_interval

POWER = 0.8  # with which `seeds_needed` would tell
MOST_SEEDS = 100  # more than anybody trains
SMALLEST_P = 1e-12  # smaller ones are given as this

Correct = NDArray[np.bool_]  # (seeds, images): is the likeliest class the right one?


class Noise(NamedTuple):
    """The sources of error of a mean over seeds and images, as variances.

    seeds: for each independent set of trainings, the variance of a single seed's figure, and how
        many seeds there are, at least 2.
    images: what the choice of test images adds, however many seeds there are.
    """

    seeds: tuple[tuple[float, int], ...]
    images: float


class Difference(NamedTuple):
    """Accuracy of the first less the second, as a fraction, its 95 % interval, and the p-value of no difference.

    noise is None where one seed cannot tell how far seeds differ: all else is then about these two
    models alone.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    noise: Noise | None


def accuracy_interval(correct: Correct) -> tuple[float, float]:
    """95 % interval of a network's accuracy over seeds and images alike.

    Of one seed, Wilson's (1927), which is about this model alone.
    """
    if len(correct) == 1:
        return wilson_interval(correct[0])
    mean = float(correct.mean())
    margin = _margin(_noise(correct.astype(np.int8)), LEVEL)
    return max(0.0, mean - margin), min(1.0, mean + margin)


def next_run_interval(correct: Correct) -> tuple[float, float]:
    """95 % prediction interval of the accuracy that one more seed would have on the same test images.

    Of one seed, Wilson's interval, for want of anything that tells how far seeds differ.
    """
    if len(correct) == 1:
        return accuracy_interval(correct)
    ((variance, seeds),) = _noise(correct.astype(np.int8)).seeds
    margin = float(-stdtrit(seeds - 1, LEVEL / 2)) * (variance * (1 + 1 / seeds)) ** 0.5
    mean = float(correct.mean())
    return max(0.0, mean - margin), min(1.0, mean + margin)


def compare_networks(first: Correct, second: Correct) -> Difference:
    """Two networks, trained independently of each other and tested on the same images.

    Where either has one seed only, the first model of each is compared: McNemar's exact test (1947)
    on the images where one is right and the other wrong, and the interval of Agresti & Min (2005).
    """
    if min(len(first), len(second)) == 1:
        return _compare_two_models(first[0], second[0])
    return _difference(_noise(first.astype(np.int8), second.astype(np.int8)), float(first.mean() - second.mean()))


def compare_precisions(first: Correct, second: Correct) -> Difference:
    """The same trained models, seed by seed, at two precisions.  One seed: as in `compare_networks`."""
    if len(first) == 1:
        return _compare_two_models(first[0], second[0])
    return _difference(_noise(first.astype(np.int8) - second.astype(np.int8)), float(first.mean() - second.mean()))


def adjust(p_values: list[float]) -> list[float]:
    """Holm's correction (1979): at most 5 % of such families have any false verdict at p < 0.05."""
    return [float(p) for p in multipletests(p_values, LEVEL, method="holm")[1]] if p_values else []


def seeds_needed(difference: Difference, tests: int) -> int | None:
    """How many seeds of each would tell, with 80 % probability, if what was seen is the truth.

    Args:
        tests: the number of comparisons in the family, each of which is then held to LEVEL / tests.

    Returns:
        None for more than MOST_SEEDS, and with one seed.  Where the test images alone leave the
        difference in doubt, no number of seeds is enough.
    """
    if difference.noise is None:
        return None
    seeds, images = difference.noise
    for count in range(min(count for _, count in seeds) + 1, MOST_SEEDS + 1):
        more = Noise(tuple((variance, count) for variance, _ in seeds), images)
        error = (sum(variance / count for variance, _ in seeds) + images) ** 0.5
        if error and ndtr((abs(difference.estimate) - _margin(more, LEVEL / tests)) / error) >= POWER:
            return count
    return None


def _noise(*sets: NDArray[np.int8]) -> Noise:
    """Variance components of the first set's mean, or of the first's less the second's, by analysis of variance.

    Args:
        sets: (seeds, images) each, over the same images: right or wrong, or differences of these.
    """
    images = sets[0].shape[1]
    seeds, residuals = [], 0.0
    profile = np.zeros(images)
    for sign, values in zip((1, -1), sets, strict=False):
        count = len(values)
        of_seeds, of_images = values.mean(axis=1), values.mean(axis=0)
        total = np.count_nonzero(values) - images * np.sum(of_seeds**2) - count * np.sum(of_images**2)
        squares = max(0.0, total + count * images * values.mean() ** 2)  # rounding alone can make it negative
        residual = squares / ((count - 1) * max(1, images - 1))
        # Seeds that agree exactly have done so by chance: luck alone is the least that they differ by.
        variance = of_seeds.var(ddof=1) if np.ptp(of_seeds) else residual / images
        seeds.append((float(variance), count))
        residuals += residual / (count * images)
        profile += sign * of_images
    spread = float(profile.var(ddof=1)) / images if images > 1 else 0.0
    return Noise(tuple(seeds), max(0.0, spread - residuals))


def _margin(noise: Noise, level: float) -> float:
    """How far the mean may be off on either side, but for a probability of `level`.

    The degrees of freedom of several sets of seeds are Welch's (1947).
    """
    parts = [(variance / count, count - 1) for variance, count in noise.seeds]
    total = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    student = stdtrit(total**2 / spread, level / 2) if spread else 0.0
    return float((student**2 * total + ndtri(level / 2) ** 2 * noise.images) ** 0.5)


def _difference(noise: Noise, estimate: float) -> Difference:
    """With the p-value at which the interval would just reach 0."""

    def excess(log_level: float) -> float:
        return _margin(noise, math.exp(log_level)) - abs(estimate)

    if not estimate:
        p_value = 1.0
    elif excess(math.log(SMALLEST_P)) <= 0:
        p_value = SMALLEST_P
    else:
        p_value = math.exp(brentq(excess, math.log(SMALLEST_P), 0.0))
    margin = _margin(noise, LEVEL)
    return Difference(estimate, estimate - margin, estimate + margin, p_value, noise)


def _compare_two_models(first: Hits, second: Hits) -> Difference:
    only_first, only_second = discordant(first, second)
    p_value = float(mcnemar([[0, only_first], [only_second, 0]], exact=True).pvalue)
    return Difference((only_first - only_second) / len(first), *paired_interval(first, second), p_value, None)
