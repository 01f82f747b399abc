"""Numbers about latency: known ones from known samples, and intervals that cover what they say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from resbench.statistics.latency import (
    FEWEST_FOR_P999,
    FEWEST_ROUNDS,
    FEWEST_ROUNDS_FOR_P50,
    FEWEST_ROUNDS_FOR_P90,
    Ratio,
    latency_ratio,
    p50_interval,
    p90_interval,
    round_minima,
    summarize_setting,
)
from scipy import stats

RUNS = 2000  # coverage then has a standard error of 0.5 points


def table(times):
    """Calls, ms, of shape (rounds, calls)."""
    rounds = np.repeat(np.arange(1, len(times) + 1), [len(row) for row in times])
    return pd.DataFrame({"round": rounds, "latency_ms": np.concatenate(times)})


def simulate(rng, size, *, shared, tail=False):
    """Latencies around 10 ms that vary by about 10 %, of which the fraction `shared` is a whole round's.

    Within a round each call resembles the one before (correlation 0.8); or, with `tail`, delays
    are exponential, as interruptions are.
    """
    runs, rounds, calls = size
    own = rng.exponential(size=size) - 1 if tail else rng.normal(size=size)
    if not tail:
        for n in range(1, calls):
            own[..., n] = 0.8 * own[..., n - 1] + 0.6 * own[..., n]
    whole = rng.normal(size=(runs, rounds, 1))
    return 10 * np.exp(0.1 * (np.sqrt(shared) * whole + np.sqrt(1 - shared) * own))


def truth(percent, *, shared, tail=False):
    sample = simulate(np.random.default_rng(9), (1, 400_000, 2), shared=shared, tail=tail)
    return np.percentile(sample, percent)


def coverage(intervals, value):
    given = [one for one in intervals if one.low is not None]
    assert len(given) > 0.6 * len(intervals)
    assert all(one.low <= one.estimate <= one.high for one in given)
    return np.mean([one.low <= value <= one.high for one in given])


@pytest.mark.parametrize(
    ("rounds", "calls", "shared", "tail"),
    [(5, 20, 0.0, False), (5, 20, 0.9, False), (10, 5, 0.5, True), (10, 40, 0.9, True), (20, 20, 0.5, False)],
)
def test_median_s_interval_covers_95_percent_although_calls_are_correlated(rounds, calls, shared, tail):
    samples = simulate(np.random.default_rng(1), (RUNS, rounds, calls), shared=shared, tail=tail)
    found = coverage([p50_interval(table(run)) for run in samples], truth(50, shared=shared, tail=tail))
    assert 0.93 <= found <= 0.97


def test_an_interval_that_took_calls_for_independent_would_cover_far_less():
    """What the method is for: order statistics of all calls, at the same data, fail."""
    samples = simulate(np.random.default_rng(1), (RUNS, 10, 40), shared=0.5)
    pooled = np.sort(samples.reshape(RUNS, -1), axis=1)
    covered = (pooled[:, 180] <= truth(50, shared=0.5)) & (truth(50, shared=0.5) <= pooled[:, 219])
    assert covered.mean() < 0.5


@pytest.mark.parametrize(
    ("rounds", "calls", "shared", "tail"), [(10, 50, 0.0, False), (10, 50, 0.2, True), (20, 40, 0.2, False)]
)
def test_90th_percentile_s_interval_covers_95_percent(rounds, calls, shared, tail):
    samples = simulate(np.random.default_rng(2), (RUNS, rounds, calls), shared=shared, tail=tail)
    found = coverage([p90_interval(table(run)) for run in samples], truth(90, shared=shared, tail=tail))
    assert 0.93 <= found <= 0.97


def test_90th_percentile_has_no_interval_where_rounds_decide_it():
    samples = simulate(np.random.default_rng(2), (200, 10, 50), shared=0.95)
    assert np.mean([p90_interval(table(run)).low is None for run in samples]) > 0.95


@pytest.mark.parametrize("rounds", [3, 5, 10, 20])
def test_ratio_s_interval_covers_95_percent_while_the_machine_drifts(rounds):
    """Speeds that wander by a factor of two from round to round cancel; each model's own scatter remains."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(RUNS):
        drift = np.exp(np.cumsum(rng.normal(0, 0.3, rounds)))
        first, second = (level * drift * np.exp(rng.normal(0, 0.03, rounds)) for level in (12.0, 10.0))
        found.append(latency_ratio(first, second))
    assert 0.93 <= coverage(found, 1.2) <= 0.97


def test_ratio_is_not_changed_by_a_disturbed_round_and_inverts():
    second = np.array([10.0, 10.1, 9.9, 10.0, 10.2])
    first = 1.2 * second
    spoilt = first * [1, 1, 5, 1, 1]
    assert latency_ratio(spoilt, second).estimate == pytest.approx(1.2)
    forth, back = latency_ratio(spoilt, second * 1.01), latency_ratio(second * 1.01, spoilt)
    assert back == pytest.approx(
        (1 / forth.estimate, 1 / forth.high, 1 / forth.low, forth.p_value, forth.p_equivalence)
    )


@pytest.mark.parametrize("rounds", [3, 5, 10, 20])
def test_models_that_differ_by_the_margin_are_rarely_called_equivalent(rounds):
    """At most 4 % for a nominal 2.5 %, while the machine drifts; equal models mostly are, from 10 rounds on."""
    rng = np.random.default_rng(4)
    for true, lowest, highest in ((1.05, 0.0, 0.04), (1 / 1.05, 0.0, 0.04), (1.0, 0.95 if rounds > 5 else 0.0, 1.0)):
        equivalent = 0
        for _ in range(RUNS):
            drift = np.exp(np.cumsum(rng.normal(0, 0.3, rounds)))
            first, second = (level * drift * np.exp(rng.normal(0, 0.01, rounds)) for level in (10.0 * true, 10.0))
            equivalent += latency_ratio(first, second).p_equivalence < 0.05
        assert lowest <= equivalent / RUNS <= highest, true


def test_equivalence_is_the_larger_of_two_one_sided_tests():
    """Of untrimmed log ratios (four rounds), each held to 2.5 %: p is twice the larger."""
    first, second = np.array([10.0, 10.3, 9.9, 10.1]), np.array([10.1, 10.0, 10.2, 9.9])
    logs, bound = np.log(first / second), np.log(1.05)
    expected = max(
        stats.ttest_1samp(logs, -bound, alternative="greater").pvalue,
        stats.ttest_1samp(logs, bound, alternative="less").pvalue,
    )
    assert latency_ratio(first, second).p_equivalence == pytest.approx(2 * expected)


@given(st.lists(st.floats(0.9, 1.1), min_size=3, max_size=20), st.integers(0, 2**32 - 1))
def test_equivalence_is_shown_exactly_where_the_interval_lies_within_the_margin(times, seed):
    second = np.array(times) * np.exp(np.random.default_rng(seed).normal(0, 0.02, len(times)))
    found = latency_ratio(np.array(times), second)
    assert (found.p_equivalence < 0.05) == (found.low > 1 / 1.05 and found.high < 1.05)


def test_three_noisy_rounds_of_3_46_and_9_50_ms_are_not_as_fast():
    """The shortest calls of a busy machine: no difference is shown, and no equivalence either."""
    found = latency_ratio(np.array([3.46, 11.2, 4.1]), np.array([9.50, 9.6, 12.8]))
    assert found.p_value > 0.05
    assert found.p_equivalence == 1.0


@given(st.lists(st.floats(1, 2), min_size=3, max_size=20), st.integers(0, 2**32 - 1))
def test_the_p_value_is_below_5_percent_where_the_interval_excludes_1(times, seed):
    second = np.array(times) * np.exp(np.random.default_rng(seed).normal(0, 0.1, len(times)))
    found = latency_ratio(np.array(times), second)
    assert (found.p_value < 0.05) == (not found.low <= 1 <= found.high)


def test_ratio_of_equal_times_is_exact():
    times = np.array([10.0, 11.0, 12.0])
    assert latency_ratio(2 * times, times)[:3] == pytest.approx((2.0, 2.0, 2.0))
    assert latency_ratio(times, times)[3:] == (1.0, 0.0)


def test_few_rounds_give_an_estimate_and_no_interval():
    times = np.arange(1.0, 11.0)
    for fewest, interval in ((FEWEST_ROUNDS_FOR_P50, p50_interval), (FEWEST_ROUNDS_FOR_P90, p90_interval)):
        assert interval(table([times] * (fewest - 1)))[1:] == (None, None)
        assert None not in interval(table([times] * fewest))
    assert latency_ratio(times[: FEWEST_ROUNDS - 1], times[: FEWEST_ROUNDS - 1]) == Ratio(1.0, None, None, None, None)


def test_estimates_are_the_percentiles_of_all_calls():
    rows = [[1.0, 9.0, 3.0], [2.0], [5.0, 4.0, 8.0, 7.0], [6.0], [10.0]]
    assert p50_interval(table(rows)).estimate == np.median(np.concatenate(rows)) == 5.5
    assert p90_interval(table(rows)).estimate == pytest.approx(9.1)


def test_round_minimum_is_the_shortest_call_of_each_round_in_order():
    calls = table([[3.0, 2.0], [5.0, 4.0, 9.0], [1.0]])
    assert round_minima(calls.sample(frac=1, random_state=0)).tolist() == [2.0, 4.0, 1.0]


def summary(samples):
    """Of one round's calls, in ms."""
    same = {"variant": "pool", "seed": "0", "load_ms": 1.0, "first_ms": 1.0}
    return summarize_setting(table([samples]).assign(**same))


def test_percentiles_appear_with_the_samples_they_need():
    samples = np.arange(1.0, FEWEST_FOR_P999 + 1)
    found = {n: summary(samples[:n]) for n in (1, 45, 46, 481, 482, len(samples) - 1, len(samples))}
    assert (found[1].minimum, found[1].p50.estimate, found[1].p90, found[1].p99) == (1.0, 1.0, None, None)
    assert (found[45].p50.estimate, found[45].p90) == (23.0, None)
    assert (found[46].p50.estimate, found[46].p90.estimate, found[46].p99) == (23.5, pytest.approx(41.5), None)
    assert found[481].p99 is None
    assert found[482].p99 == pytest.approx(1 + 481 * 0.99)
    assert found[len(samples) - 1].p999 is None
    assert found[len(samples)].p999 == pytest.approx(1 + 0.999 * (len(samples) - 1))
    assert summary(samples[:482][::-1]) == found[482]


def test_load_time_and_first_call_are_medians_over_processes():
    """Of three processes, the first with nine calls; two of them are of the same round."""
    processes = [("0", 1, 10.0, [1.0] * 9), ("1", 1, 20.0, [1.0]), ("0", 2, 60.0, [1.0])]
    rows = [
        {"variant": "pool", "seed": seed, "round": number, "load_ms": load, "first_ms": load / 10, "latency_ms": ms}
        for seed, number, load, calls in processes
        for ms in calls
    ]
    found = summarize_setting(pd.DataFrame(rows))
    assert (found.calls, found.rounds, found.load, found.first) == (11, 2, 20.0, 2.0)
