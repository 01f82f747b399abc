"""The answer: never a claim that the comparisons do not carry."""

from hypothesis import given
from hypothesis import strategies as st
from resbench.report.recommendation import TOLERANCE, Candidate, Difference, Evidence, answer

SMALL, LARGE = 1e6, 8e6


def differ(first, second, *, proven, estimate=-0.02, half=0.015):
    return {(first.model, second.model): Difference(estimate, estimate - half, estimate + half, proven, 12)}


def named(found):
    return {choice.priority: choice.candidate for choice in found.alternatives}


def test_the_only_model_is_the_answer():
    only = Candidate("pool", "fp32", 0.7, 10.0, 10.0, LARGE)
    found = answer([only], Evidence({}, {}))
    assert found.choice == only
    assert "No other model was measured." in found.evidence[1]
    assert answer([], Evidence({}, {})) is None


def test_what_cannot_be_told_apart_is_said_so_and_the_faster_is_taken():
    slow = Candidate("slow", "fp32", 0.73, 20.0, 20.0)
    fast = Candidate("fast", "fp32", 0.71, 10.0, 10.0)
    found = answer([slow, fast], Evidence(differ(fast, slow, proven=False), differ(fast, slow, proven=True)))
    assert found.choice == fast
    text = found.evidence[0].replace("\u00a0", " ")
    assert "not distinguishable with these runs from the most accurate, slow fp32 (73.00 %)" in text
    assert "−2.00 points, 95 % interval −3.50 to −0.50; about 12 seeds would tell" in text
    assert "2.0 times faster than slow fp32" in found.evidence[1]
    first = found.alternatives[0]
    assert (first.priority, first.candidate) == ("Accuracy first", slow)
    assert first.reason == "2.00 points more accurate as measured (which may be chance) and 2.0 times slower."


def test_a_proven_loss_of_less_than_a_point_is_given_up_for_speed_and_more_is_not():
    slow = Candidate("slow", "fp32", 0.73, 20.0, 20.0, LARGE)
    for loss, taken in ((0.009, True), (0.011, False)):
        fast = Candidate("fast", "fp32", 0.73 - loss, 10.0, 10.0, LARGE)
        found = answer([slow, fast], Evidence(differ(fast, slow, proven=True), differ(fast, slow, proven=True)))
        assert found.choice == (fast if taken else slow)
        assert named(found)["Accuracy first"] == slow
        assert named(found)["Latency first"] == fast
    assert "more than any other." in found.evidence[0]
    assert "fast fp32 is 2.0 times faster, but 1.10 points less accurate" in found.evidence[1]


def test_of_models_as_fast_within_the_noise_the_smaller_is_taken():
    large = Candidate("large", "fp32", 0.73, 10.0, 10.0, LARGE)
    small = Candidate("small", "fp32", 0.728, 10.1, 10.1, SMALL)
    accuracy = differ(small, large, proven=False)
    assert answer([large, small], Evidence(accuracy, differ(large, small, proven=True))).choice == large
    found = answer([large, small], Evidence(accuracy, differ(large, small, proven=False)))
    assert found.choice == small
    assert "as fast as large fp32 within the noise; its file is not larger." in found.evidence[1]


def test_the_shortest_call_ranks_and_the_median_is_shown():
    """A busy minute may lie on the faster model's median; the ratios of shortest calls tell all the same."""
    disturbed = Candidate("disturbed", "fp32", 0.73, 12.0, 8.0, LARGE)
    steady = Candidate("steady", "fp32", 0.73, 11.0, 10.0, LARGE)
    found = answer([steady, disturbed], Evidence({}, differ(disturbed, steady, proven=True, estimate=-0.2)))
    assert found.choice == disturbed
    assert found.evidence[1].replace("\u00a0", " ") == (
        "It takes 12.0 ms in the median, 8.00 ms at the shortest, which is faster than any other."
    )


def test_equals_are_not_told_as_winners():
    pair = [Candidate("a", "fp32", 0.7, 10.0, 10.0, LARGE), Candidate("a", "int8", 0.7, 10.0, 10.0, LARGE)]
    same = differ(*pair, proven=False, estimate=0.0)
    found = answer(pair, Evidence(same, same))
    assert ", and none more, but" in found.evidence[0]
    assert "as fast as a int8 within the noise" in found.evidence[1]


def test_a_less_accurate_model_that_is_not_shown_to_be_faster_is_no_alternative():
    best = Candidate("best", "fp32", 0.75, 10.0, 10.0, LARGE)
    small = Candidate("small", "fp32", 0.60, 9.9, 9.9, SMALL)
    found = answer([best, small], Evidence(differ(small, best, proven=True), differ(small, best, proven=False)))
    assert found.evidence[1].endswith("at the shortest. No other is shown to be faster.")
    assert named(found)["Latency first"] == best


def test_size_first_takes_the_smallest_file_and_says_what_it_costs():
    best = Candidate("best", "fp32", 0.80, 5.0, 5.0, LARGE)
    small = Candidate("small", "int8", 0.60, 10.0, 10.0, SMALL)
    found = answer([best, small], Evidence({}, {}))
    choice = next(choice for choice in found.alternatives if choice.priority == "Size first")
    assert choice.candidate == small
    assert choice.reason == "20.00 points less accurate, 2.0 times slower and a file 8.0 times as small."


def test_networks_in_different_precisions_are_compared_through_a_third():
    """fast int8 against slow fp32: nobody compared them, but fast fp32 was compared with both."""
    slow = Candidate("slow", "fp32", 0.74, 20.0, 20.0, LARGE)
    fast = Candidate("fast", "fp32", 0.72, 10.0, 10.0, LARGE)
    fast_int8 = Candidate("fast", "int8", 0.719, 4.0, 4.0, SMALL)
    step = {(fast_int8.model, fast.model): Difference(-0.001, -0.002, 0.0, False)}
    for half, told_apart in ((0.03, False), (0.01, True)):
        accuracy = step | differ(fast, slow, proven=told_apart, half=half)
        found = answer([slow, fast, fast_int8], Evidence(accuracy, {}))
        assert found.choice == (slow if told_apart else fast_int8)


candidates = st.lists(
    st.builds(
        Candidate,
        st.sampled_from("abcd"),
        st.sampled_from(["fp32", "int8"]),
        st.floats(0.1, 0.99),
        st.floats(0.1, 100),
        st.floats(0.1, 100),
        st.one_of(st.none(), st.floats(1e5, 1e7)),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda candidate: candidate.model,
)


@given(candidates, st.randoms(use_true_random=False))
def test_the_answer_keeps_its_rule_and_does_not_depend_on_the_order(models, random):
    found = answer(models, Evidence({}, {}))
    top = max(candidate.accuracy for candidate in models)
    assert found.choice.accuracy == top or found.choice.accuracy > top - TOLERANCE
    rivals = [c for c in models if c.accuracy > top - TOLERANCE]
    assert found.choice.shortest_ms == min(c.shortest_ms for c in rivals)
    assert named(found)["Latency first"].shortest_ms == min(c.shortest_ms for c in models)
    shuffled = random.sample(models, len(models))
    assert answer(shuffled, Evidence({}, {})).choice[2:5] == found.choice[2:5]
