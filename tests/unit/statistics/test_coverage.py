"""Simulated experiments with a known truth: intervals hold it as often as they say, and verdicts are rarely false.

Every network finds the same images hard, and its seeds differ in how good they are; all of this on a
probit scale, where the true accuracy is known.  500 test images stand for CIFAR-10's 10,000, with the
seeds' spread larger by √20, so that seeds and images matter as much as they do there.
"""

from itertools import combinations

import numpy as np
import pytest
from resbench.statistics.accuracy import (
    accuracy_interval,
    adjust,
    compare_networks,
    compare_precisions,
    next_run_interval,
)
from scipy.special import ndtri

IMAGES = 500
SCALE = (10_000 / IMAGES) ** 0.5
DIFFICULTY = 2.0  # spread of the images' difficulty over that of one training's luck with an image
SHARED = 0.9  # of that difficulty, between networks
REPEATS = 1_000


class Network:
    """accuracy: over all seeds and images.  points: the seeds' spread around it, for 10,000 images."""

    def __init__(self, accuracy, points):
        quantile, typical = ndtri(accuracy), (1 + DIFFICULTY**2) ** 0.5
        slope = np.exp(-(quantile**2) / 2) / (2 * np.pi) ** 0.5 / typical
        self.spread = SCALE * points / 100 / slope
        self.level = quantile * (typical**2 + self.spread**2) ** 0.5

    def train(self, rng, seeds, shared):
        """How far right (positive) or wrong each seed is on each image, (seeds, images)."""
        own = rng.standard_normal(IMAGES, dtype=np.float32)
        hard = DIFFICULTY * (SHARED**0.5 * shared + (1 - SHARED) ** 0.5 * own)
        luck = rng.standard_normal((seeds, IMAGES), dtype=np.float32)
        return luck + hard + rng.normal(self.level, self.spread, (seeds, 1)).astype(np.float32)


def draw_images(rng):
    return rng.standard_normal(IMAGES, dtype=np.float32)


def experiments(seed, seeds, *networks, repeats=REPEATS):
    """`repeats` times: what each network gets right, (seeds, images), on the same new images."""
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        shared = draw_images(rng)
        yield [network.train(rng, seeds, shared) > 0 for network in networks]


@pytest.mark.parametrize(
    ("seeds", "points", "highest"), [(3, 0.3, 0.99), (3, 1.5, 0.99), (5, 0.5, 0.97), (5, 1.5, 0.97), (10, 1.0, 0.97)]
)
def test_the_interval_of_an_accuracy_covers_it(seeds, points, highest):
    tries = experiments(1, seeds, Network(0.7, points), repeats=4 * REPEATS)
    ends = np.array([accuracy_interval(correct) for (correct,) in tries])
    assert 0.93 <= np.mean((ends[:, 0] <= 0.7) & (ends[:, 1] >= 0.7)) <= highest


@pytest.mark.parametrize(
    ("seeds", "points", "highest"),
    [(3, (0.3, 0.3), 0.99), (3, (1.0, 1.5), 0.98), (5, (0.3, 1.5), 0.97), (10, (1.0, 1.0), 0.97)],
)
def test_the_interval_of_a_difference_covers_it(seeds, points, highest):
    pair = Network(0.73, points[0]), Network(0.7, points[1])
    found = [compare_networks(first, second) for first, second in experiments(2, seeds, *pair)]
    assert 0.93 <= np.mean([one.low <= 0.03 <= one.high for one in found]) <= highest


@pytest.mark.parametrize(("seeds", "points"), [(3, (0.3, 0.3, 0.3)), (3, (0.3, 1.0, 1.5)), (5, (1.0, 1.0, 1.0))])
def test_verdicts_on_equal_networks_are_rarely_false(seeds, points):
    """Any of the three pairs told apart is one false family."""
    false = 0
    for trio in experiments(3, seeds, *(Network(0.7, one) for one in points)):
        p_values = [compare_networks(first, second).p_value for first, second in combinations(trio, 2)]
        false += min(adjust(p_values)) < 0.05
    assert false / REPEATS <= 0.05


def test_verdicts_on_equal_models_of_one_seed_are_rarely_false():
    """Two models whose accuracy on all images there are is the same, as far as one seed can ask."""
    pair = Network(0.7, 0), Network(0.7, 0)
    found = [compare_networks(first, second) for first, second in experiments(4, 1, *pair)]
    assert np.mean([one.p_value < 0.05 for one in found]) <= 0.05
    assert 0.93 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.97


@pytest.mark.parametrize(("seeds", "highest"), [(3, 0.99), (5, 0.97), (10, 0.97)])
def test_the_interval_of_a_precision_covers_its_cost(seeds, highest):
    """A lower precision shifts every prediction by noise of its own and by a little towards wrong."""
    rng, network, covered = np.random.default_rng(5), Network(0.7, 1.0), 0
    shift, noise = 0.1, 0.5
    margins = np.concatenate([network.train(rng, 50, draw_images(rng)) for _ in range(400)]).ravel()
    truth = np.mean(margins + noise * rng.standard_normal(len(margins)) > shift) - np.mean(margins > 0)
    for _ in range(REPEATS):
        full = network.train(rng, seeds, draw_images(rng))
        lower = full - shift + noise * rng.standard_normal(full.shape, dtype=np.float32)
        found = compare_precisions(lower > 0, full > 0)
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / REPEATS <= highest


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_a_precision_that_changes_few_images_is_rarely_called_worse(seeds):
    """One image gained and one lost by each seed, on average: seeds often agree to the image, and prove nothing."""
    rng, full, false = np.random.default_rng(6), np.zeros((seeds, IMAGES), bool), 0
    full[:, ::2] = True
    for _ in range(REPEATS):
        lower = full ^ (rng.random(full.shape) < 2 / IMAGES)
        false += compare_precisions(lower, full).p_value < 0.05
    assert false / REPEATS <= 0.05


@pytest.mark.parametrize("seeds", [3, 10])
def test_the_interval_of_the_next_run_holds_it(seeds):
    """The next run is on the same test images: what was published of one run is held against this."""
    held = 0
    for (correct,) in experiments(6, seeds + 1, Network(0.7, 1.0)):
        low, high = next_run_interval(correct[1:])
        held += low <= correct[0].mean() <= high
    assert 0.93 <= held / REPEATS <= 0.97


@pytest.mark.parametrize(("seeds", "points"), [(3, 0.1), (5, 0.3), (10, 1.0)])
def test_networks_that_differ_by_the_margin_are_rarely_called_equivalent(seeds, points):
    """The margin, 3 points of 500 images, stands for 0.7 of 10,000."""
    pair = Network(0.73, points), Network(0.7, points)
    found = [compare_networks(first, second, 0.03) for first, second in experiments(7, seeds, *pair)]
    assert np.mean([one.p_equivalence < 0.05 for one in found]) <= 0.04


def test_models_of_one_seed_that_differ_by_the_margin_are_rarely_called_equivalent():
    pair = Network(0.73, 0), Network(0.7, 0)
    found = [compare_networks(first, second, 0.03) for first, second in experiments(8, 1, *pair)]
    assert np.mean([one.p_equivalence < 0.05 for one in found]) <= 0.04


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_a_precision_that_costs_the_margin_is_rarely_called_equivalent_and_a_free_one_often(seeds):
    """Lower precision flips answers of its own: as many either way, and 1 % of all images towards wrong."""
    rng, network, images = np.random.default_rng(9), Network(0.7, 0.3), 500
    for cost, lowest, highest in ((0.01, 0.0, 0.04), (0.0, 0.6 if seeds > 1 else 0.0, 1.0)):
        equivalent = 0
        for _ in range(REPEATS):
            full = network.train(rng, seeds, draw_images(rng)) > 0
            chance = rng.random((seeds, images))
            # A right prediction turns wrong as often as a wrong one turns right, and `cost` of all images more.
            lower = np.where(full, chance >= 0.002 / 0.7 + cost / 0.7, chance < 0.002 / 0.3)
            equivalent += compare_precisions(lower, full, 0.01).p_equivalence < 0.05
        assert lowest <= equivalent / REPEATS <= highest, cost
