"""The statistics of accuracy on cases whose result is known: by hand, from textbooks, scipy or statsmodels."""

import numpy as np
import pandas as pd
import pytest
from resbench.statistics.accuracy import (
    Difference,
    Variances,
    accuracy_interval,
    adjust,
    compare_networks,
    compare_precisions,
    next_run_interval,
    seeds_needed,
)
from resbench.statistics.intervals import wilson_interval
from resbench.statistics.verdicts import Verdict, judge
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import proportion_confint


def partition(*sizes):
    """Seeds that are right on disjoint sets of images: every image is as hard as the others."""
    return np.repeat(np.arange(len(sizes)), sizes) == np.arange(len(sizes))[:, np.newaxis]


def wrong(seeds, images):
    return np.zeros((seeds, images), bool)


def two_models(both, only_first, only_second, neither):
    counts = [both, only_first, only_second, neither]
    return np.repeat([[1, 1, 0, 0]], counts, axis=1) == 1, np.repeat([[1, 0, 1, 0]], counts, axis=1) == 1


def random_correct(seeds=4, images=30):
    rng = np.random.default_rng(0)
    return rng.random((seeds, images)) < rng.random(images)


def test_one_seed_has_wilsons_interval():
    correct = np.arange(100)[np.newaxis] < 90
    assert accuracy_interval(correct) == next_run_interval(correct) == wilson_interval(correct[0])


def test_seeds_that_agree_on_every_image_leave_the_images_in_doubt():
    correct = np.repeat(np.arange(5000)[np.newaxis] < 4000, 3, axis=0)
    assert accuracy_interval(correct) == pytest.approx(proportion_confint(4000, 5000, method="normal"), rel=1e-4)


def test_images_that_are_all_as_hard_leave_the_seeds_in_doubt():
    """Student's interval of a mean."""
    accuracies = [0.5, 0.3, 0.2]
    expected = stats.t.interval(0.95, 2, np.mean(accuracies), stats.sem(accuracies))
    found = accuracy_interval(partition(50, 30, 20))
    assert found == pytest.approx((max(0, expected[0]), expected[1]))


def test_an_interval_stays_within_0_and_1():
    low, high = accuracy_interval(partition(90, 10))
    assert (low, high) == next_run_interval(partition(90, 10)) == (0, 1)


def test_an_interval_of_a_difference_stays_within_1_and_minus_1():
    """Two seeds 30 points apart: Student's factor is 12.7."""
    found = compare_precisions(~wrong(2, 100), partition(30, 70))
    assert (found.low, found.high) == (-1, 1)
    found = compare_networks(partition(140, 10), wrong(2, 150))
    assert (found.low, found.high) == (-1, 1)
    found = compare_networks(~wrong(1, 3), wrong(1, 3))
    assert found.high == 1


def test_next_run_is_students_prediction_interval():
    """mean ± t s √(1 + 1/n)"""
    accuracies = [0.28, 0.25, 0.24, 0.23]
    half = stats.t.isf(0.025, 3) * np.std(accuracies, ddof=1) * (1 + 1 / 4) ** 0.5
    found = next_run_interval(partition(28, 25, 24, 23))
    assert found == pytest.approx((0.25 - half, 0.25 + half))


def test_sources_of_noise_are_those_of_a_two_way_analysis_of_variance():
    correct, other = random_correct(), np.random.default_rng(2).random((4, 30)) < 0.2
    seeds, images = correct.shape
    seed, image = np.indices(correct.shape)
    table = pd.DataFrame({"right": (correct * 1.0 - other).ravel(), "seed": seed.ravel(), "image": image.ravel()})
    squares = anova_lm(ols("right ~ C(seed) + C(image)", table).fit())["sum_sq"] / [seeds - 1, images - 1, 87]
    found = compare_precisions(correct, other).variances
    assert found.seeds == ((pytest.approx(squares["C(seed)"] / images), seeds),)
    assert found.images == pytest.approx((squares["C(image)"] - squares["Residual"]) / (seeds * images))


def test_networks_of_equally_hard_images_are_compared_by_welchs_test():
    first, second = partition(50, 30, 20), ~partition(40, 36, 24)
    welch = stats.ttest_ind(first.mean(axis=1), second.mean(axis=1), equal_var=False)
    found = compare_networks(first, second)
    assert found.p_value == pytest.approx(welch.pvalue)
    assert (found.low, found.high) == pytest.approx(welch.confidence_interval())
    assert found.estimate == pytest.approx(-1 / 3)


def test_precisions_of_equally_hard_images_are_compared_by_students_paired_test():
    first, second = partition(50, 30, 20), wrong(3, 100)
    student = stats.ttest_rel(first.mean(axis=1), second.mean(axis=1))
    found = compare_precisions(first, second)
    assert found.p_value == pytest.approx(student.pvalue)
    assert (found.low, found.high) == pytest.approx(student.confidence_interval())


def test_pairing_by_image_and_by_training_gives_narrower_intervals():
    """Two precisions of the same models differ on few images; two networks that do so may differ by luck."""
    first = random_correct(5, 2000)
    second = first.copy()
    second[:, :20] = False
    assert compare_precisions(first, second).p_value < compare_networks(first, second).p_value


def test_an_interval_reaches_0_just_where_p_is_5_percent():
    rng = np.random.default_rng(1)
    for _ in range(100):
        found = compare_networks(rng.random((3, 200)) < 0.6, rng.random((4, 200)) < 0.65)
        assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)
        assert found.low < found.estimate < found.high


def test_changing_places_changes_the_sign():
    first, second = random_correct(), np.random.default_rng(1).random((4, 30)) < 0.6
    for compare in (compare_networks, compare_precisions):
        there, back = compare(first, second), compare(second, first)
        assert (there.estimate, there.low, there.high) == pytest.approx((-back.estimate, -back.high, -back.low))
        assert there.p_value == pytest.approx(back.p_value)


def test_equal_predictions_do_not_differ():
    first = random_correct()
    for found in (
        compare_precisions(first, first),
        compare_networks(first, first),
        compare_networks(first[:1], first[:1]),
    ):
        assert (found.estimate, found.p_value) == (0, 1)
        assert found.low <= 0 <= found.high
        assert seeds_needed(found, 1) is None


def test_all_right_and_all_wrong_differ():
    found = compare_networks(~wrong(2, 50), wrong(2, 50))
    assert found.estimate == 1
    assert (found.low, found.high) == pytest.approx((1 - 1.96 / 50, 1), abs=1e-4)  # as if one image differed
    assert (found.p_value, found.p_equivalence) == (1e-12, 1.0)


def test_one_seed_is_mcnemars_exact_test():
    """Agresti, Categorical Data Analysis (2nd ed., 2002), table 10.1: difference 0.04, standard error 0.0095."""
    found = compare_networks(*two_models(794, 150, 86, 570))
    assert found.p_value == pytest.approx(stats.binomtest(150, 236).pvalue)
    assert found.estimate == 0.04
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 0.0095, abs=2e-4)
    assert found.variances is None
    assert seeds_needed(found, 1) is None
    assert found == compare_precisions(*two_models(794, 150, 86, 570))


def test_one_seed_and_several_are_not_compared():
    first, second = two_models(50, 20, 5, 25)
    assert compare_networks(first, np.concatenate([second, first, first])) is None
    assert compare_networks(np.concatenate([second, first, first]), first) is None


@pytest.mark.parametrize("images", [40, 1000])
def test_mcnemar_and_the_interval_agree(images):
    for discordant in range(1, 40):
        for only_first in range(discordant + 1):
            found = compare_networks(*two_models(0, only_first, discordant - only_first, images - discordant))
            if found.p_value < 0.05:
                assert found.low > 0 or found.high < 0


def test_holms_correction():
    """Each p-value times the number of those that are not smaller, and never less than a smaller one's."""
    assert adjust([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust([]) == []
    p_values = np.random.default_rng(0).uniform(0, 0.2, 20)
    assert adjust(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize("points", [1.0, 1.5, 2.0, 3.0])
def test_seeds_needed_are_those_of_a_t_test_where_images_do_not_matter(points):
    difference = Difference(points / 100, -1, 1, 0.5, 1, Variances(((1e-4, 2), (1e-4, 2)), 0))
    expected = TTestIndPower().solve_power(effect_size=points, alpha=0.05, power=0.8)
    assert seeds_needed(difference, 1) == pytest.approx(expected, abs=1.5)
    assert seeds_needed(difference, 10) > seeds_needed(difference, 1)
    many = difference._replace(variances=Variances(((1e-4, 50), (1e-4, 50)), 0))
    assert seeds_needed(many, 1) == 51  # 50 were not enough


def test_no_number_of_seeds_makes_up_for_too_few_images():
    seeds = ((1e-4, 3), (1e-4, 3))
    assert seeds_needed(Difference(0.01, -1, 1, 0.5, 1, Variances(seeds, 1e-6)), 1) > 3
    assert seeds_needed(Difference(0.01, -1, 1, 0.5, 1, Variances(seeds, 2e-5)), 1) is None
    for errors, needed in ((2.7, None), (2.9, 4)):  # 1.96 for the interval, 0.84 for 80 % probability
        certain = Variances(((1e-12, 3), (1e-12, 3)), 1e-6)
        assert seeds_needed(Difference(errors * 1e-3, -1, 1, 0.5, 1, certain), 1) == needed
    assert seeds_needed(Difference(0.0001, -1, 1, 0.5, 1, Variances(seeds, 0)), 1) is None
    assert seeds_needed(Difference(0.0, 0, 0, 1, 1, Variances(((0, 3), (0, 3)), 0)), 1) is None


def test_few_images_are_no_error():
    for images in (1, 2):
        for first, second in ((wrong(2, images), ~wrong(3, images)), (wrong(1, images), ~wrong(1, images))):
            assert all(np.isfinite(compare_networks(first, second)[:5]))
            assert 0 <= accuracy_interval(first)[0] <= accuracy_interval(first)[1] <= 1


def test_seeds_that_agree_by_chance_prove_nothing():
    """Each of three seeds loses one image of 10,000, another one each."""
    full = np.ones((3, 10_000), bool)
    lower = full.copy()
    lower[[0, 1, 2], [10, 20, 30]] = False
    found = compare_precisions(lower, full)
    assert found.estimate == pytest.approx(-1e-4)
    assert found.variances.seeds == ((pytest.approx(1e-8, rel=1e-3), 3),)  # that of one image in 10,000
    assert found.low < 0 < found.high
    assert found.p_value > 0.05


def test_seeds_that_agree_on_every_image_have_no_noise():
    """Rounding must not make a negative variance of it: 10,000 images, and accuracies that no binary number equals."""
    rng = np.random.default_rng(0)
    for right in rng.integers(1, 10_000, 20):
        one = np.tile(np.arange(10_000) < right, (3, 1))
        low, high = accuracy_interval(one)
        assert low < right / 10_000 < high
        assert compare_networks(one, one).p_value == 1.0


@pytest.mark.parametrize("images", [100, 10_000])
def test_models_with_equal_predictions_are_equivalent_where_the_images_are_enough(images):
    """No difference on 100 images leaves 2 points in doubt, with one seed and with three."""
    same = np.tile(np.arange(images) < 0.7 * images, (3, 1))
    for found in (compare_precisions(same, same), compare_networks(same, same), compare_networks(same[:1], same[:1])):
        assert (found.p_equivalence < 0.05) == (images == 10_000)


def test_equivalence_is_shown_exactly_where_the_interval_lies_within_the_margin():
    rng = np.random.default_rng(2)
    shown = 0
    for number in range(200):
        first = rng.random((1 + number % 4, 4000)) < 0.7
        second = first ^ (rng.random(first.shape) < 0.002 * (number % 7))
        for found in (compare_precisions(first, second, 0.01), compare_networks(first, second, 0.01)):
            assert (found.p_equivalence < 0.05) == (found.low > -0.01 and found.high < 0.01)
            shown += found.p_equivalence < 0.05
    assert 50 < shown < 350


def test_equivalence_follows_the_margin():
    first = random_correct(5, 2000)
    second = first.copy()
    second[:, :20] = False
    p_values = [compare_precisions(first, second, margin).p_equivalence for margin in (0.005, 0.01, 0.02, 0.5)]
    assert p_values == sorted(p_values, reverse=True)
    assert p_values[0] == 1.0
    assert p_values[-1] == 1e-12


@pytest.mark.parametrize(
    ("gain", "p_value", "p_equivalence", "verdict"),
    [
        (0.02, 0.01, 1.0, Verdict.BETTER),
        (-0.02, 0.01, 1.0, Verdict.WORSE),
        (0.001, 0.01, 0.01, Verdict.EQUIVALENT),  # real, and too small to matter
        (0.0, 1.0, 0.01, Verdict.EQUIVALENT),
        (0.02, 0.2, 1.0, Verdict.UNDECIDED),
        (0.0, 1.0, 0.2, Verdict.UNDECIDED),  # lack of significance is no equivalence
    ],
)
def test_verdicts(gain, p_value, p_equivalence, verdict):
    assert judge(gain, p_value, p_equivalence) is verdict
