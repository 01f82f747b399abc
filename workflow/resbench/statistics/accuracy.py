"""Comparison of accuracies of networks, over the seeds they were trained from and the images they were tested on.

Correctness is a table of seeds × images, both drawn from larger populations: crossed random effects
(Searle, Casella & McCulloch, Variance Components, 1992, ch. 4).  An image that is hard for one
training is hard for the next, so neither source alone gives the error of a mean.

Half-widths add Student's for the few seeds and the normal one for the many images in quadrature (Howe,
Approximate confidence limits on the mean of X + Y, JASA 69, 1974).  docs/methodology.md says why.

Every p-value here is the level at which the two-sided interval just reaches the value tested: 0 for a difference, the
margin for equivalence.  So p < 0.05 exactly where the 95 % interval excludes 0, or lies within the margin, and
equivalence is two one-sided tests (Schuirmann 1987) at 2.5 % each.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit
from scipy.stats import binomtest

from resbench.statistics.intervals import (
    LEVEL,
    SMALLEST_P,
    Hits,
    discordant,
    level_of,
    paired_interval,
    wilson_interval,
)
from resbench.statistics.verdicts import ACCURACY_MARGIN

POWER = 0.8  # probability with which `seeds_needed` seeds show a difference
MOST_SEEDS = 100  # more than anyone trains

Correct = NDArray[np.bool_]  # (seeds, images): whether the most probable class is right


class Variances(NamedTuple):
    """The sources of error of a mean over seeds and images.

    Attributes:
        seeds: For each independent set of trainings, the variance of a single seed's figure, and the number of seeds,
            at least 2.
        images: What the choice of test images adds, whatever the number of seeds.
    """

    seeds: tuple[tuple[float, int], ...]
    images: float


class Difference(NamedTuple):
    """Accuracy of the first model less that of the second.

    Attributes:
        estimate: A fraction.
        low, high: Its 95 % interval, of which no end lies beyond -1 or 1.
        p_value: P-value of the hypothesis of no difference.
        p_equivalence: P-value of the hypothesis of a difference of the margin or more, in either direction.
        variances: None with one seed, which cannot show how far seeds differ; the rest is then about these two models.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    p_equivalence: float
    variances: Variances | None


def accuracy_interval(correct: Correct) -> tuple[float, float]:
    """Return the 95 % confidence interval of a network's accuracy over seeds and images.

    With one seed it is Wilson's (1927), which is about this model alone.

    Args:
        correct: (seeds, images).

    Returns:
        Lower and upper end, fractions.
    """
    if len(correct) == 1:
        return wilson_interval(correct[0])
    mean = float(correct.mean())
    half = _half_width(_variances(correct.astype(np.int8)), LEVEL)
    return max(0.0, mean - half), min(1.0, mean + half)


def next_run_interval(correct: Correct) -> tuple[float, float]:
    """Return the 95 % prediction interval of the accuracy of one more seed on the same test images.

    With one seed, nothing shows how far seeds differ, and it is Wilson's interval, which is about this model alone.

    Args:
        correct: (seeds, images).

    Returns:
        Lower and upper end, fractions.
    """
    if len(correct) == 1:
        return accuracy_interval(correct)
    ((variance, seeds),) = _variances(correct.astype(np.int8)).seeds
    half = float(-stdtrit(seeds - 1, LEVEL / 2)) * (variance * (1 + 1 / seeds)) ** 0.5
    mean = float(correct.mean())
    return max(0.0, mean - half), min(1.0, mean + half)


def compare_networks(first: Correct, second: Correct, margin: float = ACCURACY_MARGIN) -> Difference | None:
    """Compare two networks that were trained independently of each other and tested on the same images.

    With one seed of each, the two models are compared: McNemar's exact test (1947) on the images where one is right and
    the other wrong, and the interval of Agresti & Min (2005).

    Args:
        first, second: (seeds, images), over the same images.
        margin: Equivalence margin, a fraction.

    Returns:
        The difference of their accuracies; None where one network has one seed and the other several: nothing shows how
        far seeds of the first differ, or singles out one model of the other.
    """
    if len(first) == len(second) == 1:
        return _compare_two_models(first[0], second[0], margin)
    if min(len(first), len(second)) == 1:
        return None
    variances = _variances(first.astype(np.int8), second.astype(np.int8))
    return _difference(variances, float(first.mean() - second.mean()), margin)


def compare_precisions(first: Correct, second: Correct, margin: float = ACCURACY_MARGIN) -> Difference:
    """Compare the same trained models, seed by seed, in two precisions; one seed as in `compare_networks`.

    Args:
        first, second: (seeds, images), over the same seeds and images.
        margin: Equivalence margin, a fraction.

    Returns:
        The difference of their accuracies.
    """
    if len(first) == 1:
        return _compare_two_models(first[0], second[0], margin)
    variances = _variances(first.astype(np.int8) - second.astype(np.int8))
    return _difference(variances, float(first.mean() - second.mean()), margin)


def adjust(p_values: list[float]) -> list[float]:
    """Return Holm's (1979) adjusted p-values: at most 5 % of such families have any false verdict at p < 0.05.

    Args:
        p_values: P-values of all comparisons in a family.

    Returns:
        Their adjusted values, in the same order.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(factors * np.asarray(p_values)[order]).clip(max=1)
    return adjusted.tolist()


def seeds_needed(difference: Difference, tests: int) -> int | None:
    """Return how many seeds of each would show the difference with 80 % probability, if the estimate is the truth.

    Args:
        difference: What was measured.
        tests: Number of comparisons in the family, each of which is then tested at LEVEL / tests.

    Returns:
        None for more than MOST_SEEDS, and with one seed. Where the test images alone leave the difference undecided, no
        number of seeds is enough.
    """
    if difference.variances is None:
        return None
    seeds, images = difference.variances
    for count in range(min(count for _, count in seeds) + 1, MOST_SEEDS + 1):
        more = Variances(tuple((variance, count) for variance, _ in seeds), images)
        error = (sum(variance / count for variance, _ in seeds) + images) ** 0.5
        if error and ndtr((abs(difference.estimate) - _half_width(more, LEVEL / tests)) / error) >= POWER:
            return count
    return None


def _variances(*sets: NDArray[np.int8]) -> Variances:
    """Return the variance components of the first set's mean, or of the first's less the second's.

    Args:
        sets: (seeds, images) each, over the same images: right or wrong, or differences of these.
    """
    images = sets[0].shape[1]
    seeds, residuals = [], 0.0
    profile = np.zeros(images)
    for sign, values in zip((1, -1), sets, strict=False):
        count = len(values)
        of_seeds, of_each = values.mean(axis=1), values.mean(axis=0)
        total = np.count_nonzero(values) - images * np.sum(of_seeds**2) - count * np.sum(of_each**2)
        squares = max(0.0, total + count * images * values.mean() ** 2)  # rounding alone can make it negative
        residual = squares / ((count - 1) * max(1, images - 1))
        # Seeds that agree exactly do so by chance: their variance is at least the residual variance.
        variance = of_seeds.var(ddof=1) if np.ptp(of_seeds) else residual / images
        seeds.append((float(variance), count))
        residuals += residual / (count * images)
        profile += sign * of_each
    spread = float(profile.var(ddof=1)) / images if images > 1 else 0.0
    of_images = max(0.0, spread - residuals)
    if not of_images and not any(variance for variance, _ in seeds):
        of_images = 1 / images**2  # nothing differs anywhere: as if one image did
    return Variances(tuple(seeds), of_images)


def _half_width(variances: Variances, level: float) -> float:
    """Return half the interval of the mean that misses it with probability `level`.

    The degrees of freedom of several sets of seeds are Welch's (1947).
    """
    parts = [(variance / count, count - 1) for variance, count in variances.seeds]
    total = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    student = stdtrit(total**2 / spread, level / 2) if spread else 0.0
    return float((student**2 * total + ndtri(level / 2) ** 2 * variances.images) ** 0.5)


def _difference(variances: Variances, estimate: float, margin: float) -> Difference:
    half_width = partial(_half_width, variances)
    half = half_width(LEVEL)
    p_value, p_equivalence = (level_of(half_width, distance) for distance in (abs(estimate), margin - abs(estimate)))
    low, high = max(-1.0, estimate - half), min(1.0, estimate + half)
    return Difference(estimate, low, high, p_value, p_equivalence, variances)


def _compare_two_models(first: Hits, second: Hits, margin: float) -> Difference:
    only_first, only_second = discordant(first, second)
    differing = only_first + only_second
    p_value = float(binomtest(only_first, differing).pvalue) if differing else 1.0  # McNemar's exact test
    low, high = paired_interval(first, second)
    error = (high - low) / 2 / -ndtri(LEVEL / 2)
    distance = margin - abs(low + high) / 2
    p_equivalence = max(SMALLEST_P, float(2 * ndtr(-distance / error))) if distance > 0 else 1.0
    return Difference((only_first - only_second) / len(first), low, high, p_value, p_equivalence, None)
