"""Intervals over test images alone, against published figures."""

import numpy as np
import pytest
from resbench.statistics.intervals import SMALLEST_P, level_of, paired_interval, wilson_interval
from scipy.special import ndtri


def test_wilsons_interval():
    """(p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n)"""
    z, n, p = 1.959963985, 100, 0.9
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    ends = [(p + z * z / (2 * n) + sign * half) / (1 + z * z / n) for sign in (-1, 1)]
    assert wilson_interval(np.arange(100) < 90) == pytest.approx(ends)


def test_the_paired_interval_covers_95_percent():
    """Two models that disagree about one image in five or so, of which there are 200."""
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 2000, 200)) < np.array([0.8, 0.75]).reshape(2, 1, 1)
    shared = rng.random((2000, 200)) < 0.5  # images that both take alike
    second = np.where(shared, first, second)
    truth = 0.5 * (0.8 - 0.75)
    ends = np.array([paired_interval(*pair) for pair in zip(first, second, strict=True)])
    assert 0.93 <= np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) <= 0.97


def test_the_paired_interval_is_wald_s_of_half_an_image_more_in_each_cell():
    first, second = np.arange(40) < 12, np.arange(40) >= 37
    only_first, only_second = 12.5 / 42, 3.5 / 42
    gap = only_first - only_second
    half = 1.959963985 * np.sqrt((only_first + only_second - gap**2) / 42)
    assert paired_interval(first, second) == pytest.approx((gap - half, gap + half))


def test_the_paired_interval_changes_sides_with_the_models():
    first, second = np.arange(50) < 40, np.arange(50) >= 5
    low, high = paired_interval(first, second)
    assert paired_interval(second, first) == pytest.approx((-high, -low))
    assert paired_interval(first, first)[0] < 0 < paired_interval(first, first)[1]


def test_the_level_of_a_distance_is_that_at_which_half_the_interval_is_as_long():
    def normal(level):
        return float(-ndtri(level / 2))

    for level in (0.9, 0.05, 1e-9):
        assert level_of(normal, normal(level)) == pytest.approx(level)
    assert (level_of(normal, 0.0), level_of(normal, -1.0)) == (1.0, 1.0)
    assert level_of(normal, 100.0) == SMALLEST_P
