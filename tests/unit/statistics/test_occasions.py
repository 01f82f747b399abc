"""Two runs of the same model at different times are rarely called different, and real changes are."""

import numpy as np
import pytest
from resbench.statistics.intervals import SMALLEST_P
from resbench.statistics.latency import FEWEST_ROUNDS
from resbench.statistics.occasions import Spread, compare_occasions, estimate_spread, occasion_latency
from resbench.statistics.verdicts import Verdict, judge
from scipy import stats

ROUNDS, WITHIN = 10, 0.02


def occasions(random, count, between, models=1):
    """Shortest calls in ms, (count, models, ROUNDS): every occasion has its state, which all models share."""
    state = random.normal(0, between, (count, 1, 1))
    return np.exp(state + random.normal(0, WITHIN, (count, models, ROUNDS)))


def test_the_spread_is_that_of_the_occasions():
    latencies = np.exp(np.random.default_rng(0).normal(0, 0.07, (2000, 3)))
    spread = estimate_spread(latencies)
    assert spread.deviation == pytest.approx(0.07, rel=0.05)
    assert spread.occasions == 2000


@pytest.mark.parametrize("between", [0.0, 0.02, 0.2])
def test_a_run_and_its_rerun_differ_in_five_percent_at_most(between):
    """The spread is measured anew each time, on ten occasions, as the figure in use was."""
    random = np.random.default_rng(1)
    false, covered, trials = 0, 0, 400
    for _ in range(trials):
        measured = np.array([[occasion_latency(m) for m in one] for one in occasions(random, 10, between, models=3)])
        (old,), (new,) = occasions(random, 2, between)
        ratio = compare_occasions(new, old, estimate_spread(measured))
        verdict = judge(-np.log(ratio.estimate), ratio.p_value, ratio.p_equivalence)
        false += verdict in (Verdict.BETTER, Verdict.WORSE)
        covered += ratio.low <= 1 <= ratio.high
    assert false / trials <= 0.07  # 0.05 and three standard errors of 400 trials, less what equivalence takes away
    assert covered / trials >= 0.93


def test_a_model_that_became_twice_as_slow_is_seen_and_five_percent_on_a_quiet_machine():
    random = np.random.default_rng(2)
    (old,), (new,) = occasions(random, 2, 0.1)
    slower = compare_occasions(2 * new, old, Spread(0.1, 10))
    assert slower.low > 1
    assert slower.p_value < 0.05
    assert slower.estimate == pytest.approx(2, rel=0.3)
    (old,), (new,) = occasions(random, 2, 0.0)
    assert compare_occasions(1.1 * new, old, Spread(0.001, 10)).p_value < 0.05


def test_equivalence_is_the_interval_within_the_margin_and_p_the_interval_without_one():
    random = np.random.default_rng(3)
    for _ in range(60):
        (old,), (new,) = occasions(random, 2, 0.02)
        ratio = compare_occasions(new * random.uniform(0.9, 1.1), old, Spread(random.uniform(0, 0.03), 10))
        assert (ratio.p_equivalence < 0.05) == (ratio.low > 1 / 1.05 and ratio.high < 1.05)
        assert (ratio.p_value < 0.05) == (not ratio.low <= 1 <= ratio.high)


def test_without_a_spread_it_is_yuens_test_of_trimmed_means():
    first, second = np.exp(np.random.default_rng(4).normal(0, 0.02, (2, 12))) * [[1.01], [1.0]]
    yuen = stats.ttest_ind(np.log(first), np.log(second[:10]), equal_var=False, trim=0.2)
    assert compare_occasions(first, second[:10], Spread(0.0, 10)).p_value == pytest.approx(yuen.pvalue)


def test_one_disturbed_round_in_five_does_not_change_an_occasion():
    assert occasion_latency(np.array([2.0, 2.0, 50.0, 2.0, 2.0])) == pytest.approx(2.0)


def test_too_few_rounds_show_nothing():
    few = np.ones(FEWEST_ROUNDS - 1)
    assert compare_occasions(few, np.ones(10), Spread(0.1, 10))[1:] == (None, None, None, None)


def test_rounds_that_agree_exactly_leave_the_occasions():
    ratio = compare_occasions(np.full(5, 2.0), np.full(8, 2.0), Spread(0.01, 10))
    assert ratio.estimate == 1
    half = stats.t.isf(0.025, 9) * np.sqrt(2) * 0.01
    assert (ratio.low, ratio.high) == pytest.approx((np.exp(-half), np.exp(half)))
    assert compare_occasions(np.full(5, 2.0), np.full(8, 2.0), Spread(0.0, 10)).p_equivalence == SMALLEST_P
