"""The recommendation: one rule, and never a claim that the comparisons do not carry."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_files import calls
from resbench.common.errors import ResbenchError
from resbench.report.decision import recommend
from resbench.report.prose import describe_alternative, describe_precision, describe_recommendation
from resbench.report.recommendation import Code, Deployment, Priority, Recommendations, read_recommendations

SMALL, LARGE = 1_000_000, 8_000_000
CPU = {"provider": "cpu", "batch_size": 1, "threads": 1}


def model(variant, precision, accuracy, ms, model_bytes=LARGE, **changes):
    """A row of report.csv: `ms` is the shortest call, and the median is a tenth longer."""
    return (
        CPU
        | {
            "variant": variant,
            "precision": precision,
            "host": "a host",
            "accuracy_mean": accuracy,
            "accuracy_low": accuracy - 0.01,
            "accuracy_high": accuracy + 0.01,
            "latency_p50_ms": 1.1 * ms,
            "latency_min_ms": ms,
            "model_bytes": model_bytes,
        }
        | changes
    )


def compared(metric, first, second, verdict, *, half=0.004, seeds_needed=None):
    """A row of comparisons.csv whose estimate is what was measured."""
    names = {"first": first["variant"], "first_precision": first["precision"]}
    names |= {"second": second["variant"], "second_precision": second["precision"]}
    row = names | {"metric": metric, "kind": "model", "verdict": verdict, "seeds": 3, "seeds_needed": seeds_needed}
    if metric == "accuracy":
        estimate = first["accuracy_mean"] - second["accuracy_mean"]
        row |= {"estimate": estimate, "low": estimate - half, "high": estimate + half, "margin": 0.01}
        return row | {"provider": "cpu", "batch_size": None, "threads": None, "host": None}
    ratio = first["latency_min_ms"] / second["latency_min_ms"]
    return row | CPU | {"host": "a host", "estimate": ratio, "low": ratio / 1.02, "high": ratio * 1.02, "margin": 0.05}


def clear_cut(rows):
    """Comparisons of all pairs on a quiet machine: 1 % of a latency and half a point are shown."""
    found = []
    for first, second in itertools.combinations(rows, 2):
        ratio = first["latency_min_ms"] / second["latency_min_ms"]
        speed = "equivalent" if 0.97 < ratio < 1.03 else "worse" if ratio > 1 else "better"
        gap = first["accuracy_mean"] - second["accuracy_mean"]
        skill = "equivalent" if abs(gap) < 0.005 else "better" if gap > 0 else "worse"
        found += [compared("latency", first, second, speed), compared("accuracy", first, second, skill)]
    return found


def decide(rows, comparisons=None, **deployment):
    wanted = Deployment(**CPU | deployment) if deployment else None
    (found,) = recommend(rows, clear_cut(rows) if comparisons is None else comparisons, wanted).recommendations
    return found


def codes(findings):
    return [finding.code for finding in findings]


def first_by(found, priority):
    return next(one.model.name for one in found.alternatives if one.priority is priority)


def text_of(found):
    return " ".join(describe_recommendation(found)).replace("\u00a0", " ")


def test_the_only_model_is_recommended():
    found = decide([model("pool", "fp32", 0.7, 10.0)])
    assert (found.choice.name, codes(found.findings)) == ("pool fp32", [Code.ONLY_MODEL])
    assert "No other model was measured." in text_of(found)
    assert recommend([], [], None).recommendations == []
    untimed = model("pool", "fp32", 0.7, 10.0, latency_p50_ms=None, latency_min_ms=None)
    assert recommend([untimed], [], None).recommendations == []


@pytest.mark.parametrize(("precision", "others"), [("fastest", "eligible"), ("fp32", "fp32")])
def test_the_only_eligible_model_is_not_called_the_only_one(precision, others):
    rows = [model("pool", "fp32", 0.73, 10.0), model("pool", "int8", 0.728, 9.9, SMALL)]
    found = decide(rows, precision=precision)
    expected = [Code.ONLY_ELIGIBLE, Code.PRECISION_NOT_FASTER]
    assert codes(found.findings) == ([Code.OVERRIDE] if precision != "fastest" else []) + expected
    assert f"There are no other {others} models. pool int8 is not shown to be faster than fp32" in text_of(found)


def test_models_of_a_precision_that_was_asked_for_are_not_called_eligible():
    """int8 loses 8 points, so that the rule would not take it."""
    rows = [model("pool", "fp32", 0.93, 10.0), model("pool", "int8", 0.85, 4.0, SMALL)]
    found = decide([*rows, model("deep", "int8", 0.80, 5.0, SMALL)], precision="int8")
    assert "85.00 %, the highest of the int8 models." in text_of(found).replace(" (95 % CI 84.00 to 86.00)", "")
    assert "eligible" not in text_of(found)


def test_a_more_accurate_model_that_is_not_eligible_is_no_secret():
    """int8 is slower than fp32, and as measured the most accurate of all: accuracy first takes it."""
    rows = [
        model("pool", "fp32", 0.73, 10.0),
        model("pool", "int8", 0.74, 12.0, SMALL),
        model("deep", "fp32", 0.70, 20.0),
    ]
    found = decide(rows)
    assert (found.choice.name, codes(found.findings)[0]) == ("pool fp32", Code.MOST_ACCURATE)
    assert "the highest of the eligible models" in text_of(found)
    assert first_by(found, Priority.ACCURACY) == "pool int8"
    found = decide([rows[0], model("pool", "int8", 0.73, 9.9, SMALL)])
    assert first_by(found, Priority.ACCURACY) == "pool fp32"  # as accurate is no reason for another model


def test_a_smaller_file_of_a_model_that_is_not_eligible_is_not_denied():
    """int8 is as fast as fp32, so it is not eligible, and its file is the smallest of all."""
    rows = [
        model("large", "fp32", 0.73, 10.0),
        model("small", "fp32", 0.728, 10.1, SMALL),
        model("large", "int8", 0.73, 10.0, SMALL // 2),
    ]
    found = decide(rows)
    assert found.choice.name == "small fp32"
    assert "of the eligible models within 1 point that are as fast, none has a smaller file" in text_of(found)


def test_less_than_a_point_is_given_up_for_latency_and_more_is_not():
    slow = model("slow", "fp32", 0.73, 20.0)
    for loss, taken in ((0.009, True), (0.011, False)):
        fast = model("fast", "fp32", 0.73 - loss, 10.0)
        found = decide([slow, fast])
        assert found.choice.variant == ("fast" if taken else "slow")
        assert first_by(found, Priority.ACCURACY) == "slow fp32"
        assert first_by(found, Priority.LATENCY) == "fast fp32"
    assert codes(found.findings) == [Code.MOST_ACCURATE, Code.FASTER_LESS_ACCURATE]
    assert "fast fp32 is faster, but its accuracy is 1 point or more below the highest of the" in text_of(found)
    assert "more accurate by 0.70 – 1.50 points, and slower by a factor of 2.0" in text_of(found)


def test_a_model_is_too_inaccurate_compared_with_the_most_accurate_one():
    """The third is out for what it loses against the first, and is as accurate as the second, which is chosen."""
    rows = [model("a", "fp32", 0.900, 30.0), model("b", "fp32", 0.891, 20.0), model("c", "fp32", 0.889, 10.0)]
    found = decide(rows)
    assert found.choice.name == "b fp32"
    assert (
        "c fp32 is faster, but its accuracy is 1 point or more below the highest of the eligible models. Compared with "
        "c fp32, the recommended model is as accurate within 1 point, and slower" in text_of(found)
    )


def test_what_is_equal_as_measured_is_not_called_less():
    same = [model("a", "fp32", 0.73, 10.0), model("b", "fp32", 0.73 - 1e-6, 10.0001, LARGE - 1)]
    found = decide(same, [])
    said = describe_alternative(next(one for one in found.alternatives if one.priority is Priority.SIZE), found.choice)
    assert said == (
        "Equally accurate as measured, which may be chance (undecided); "
        "equally fast as measured, which may be chance (undecided)."
    )
    apart = [same[0], model("b", "fp32", 0.7299, 10.04, LARGE // 2)]
    found = decide(apart, [])
    said = describe_alternative(next(one for one in found.alternatives if one.priority is Priority.SIZE), found.choice)
    assert said == (
        "0.01 points less accurate as measured, which may be chance (undecided); "
        "1.004 times slower as measured, which may be chance (undecided); a file 2.0 times as small."
    )


def test_noise_is_no_reason_to_give_up_more_than_a_point():
    """Two points are lost as measured, though the runs do not show it: absence of evidence is no evidence."""
    slow, fast = model("slow", "fp32", 0.73, 20.0), model("fast", "fp32", 0.71, 10.0)
    comparisons = [
        compared("accuracy", fast, slow, "undecided", half=0.05, seeds_needed=12),
        compared("latency", fast, slow, "better"),
    ]
    found = decide([slow, fast], comparisons)
    assert found.choice.variant == "slow"
    alternative = next(one for one in found.alternatives if one.priority is Priority.LATENCY)
    assert describe_alternative(alternative, found.choice).startswith(
        "2.00 points less accurate as measured, which may be chance (undecided: about 12 seeds of each would show"
    )
    full, int8 = model("pool", "fp32", 0.73, 20.0), model("pool", "int8", 0.71, 10.0)
    comparisons = [compared("accuracy", int8, full, "undecided"), compared("latency", int8, full, "better")]
    found = decide([full, int8], comparisons)
    assert (found.choice.precision, codes(found.findings)[-1]) == ("fp32", Code.PRECISION_LESS_ACCURATE)


def test_3_46_ms_among_noise_are_not_as_fast_as_9_50_ms():
    """Three rounds, one of each spoilt: nothing is shown, so neither model is called as fast as the other."""
    quick, slow = model("quick", "fp32", 0.73, 3.46), model("small", "fp32", 0.73, 9.50, SMALL)
    ratio = compared("latency", quick, slow, "undecided") | {"low": 0.1, "high": 1.6}
    found = decide([quick, slow], [ratio, compared("accuracy", quick, slow, "equivalent")])
    assert found.choice.variant == "quick"
    assert codes(found.findings) == [Code.MOST_ACCURATE, Code.FASTEST]
    assert "2.7 times faster as measured, which may be chance (undecided)" in text_of(found)
    assert "as fast" not in text_of(found)
    size_first = next(one for one in found.alternatives if one.priority is Priority.SIZE)
    assert "as fast" not in describe_alternative(size_first, found.choice)


def test_of_models_shown_to_be_as_fast_the_smallest_is_taken():
    large, small = model("large", "fp32", 0.73, 10.0), model("small", "fp32", 0.728, 10.1, SMALL)
    same = compared("accuracy", small, large, "equivalent")
    for verdict, chosen in (("equivalent", "small"), ("undecided", "large"), ("worse", "large")):
        found = decide([large, small], [same, compared("latency", small, large, verdict)])
        assert found.choice.variant == chosen
    found = decide([large, small])
    assert codes(found.findings) == [Code.WITHIN_MARGIN, Code.AS_FAST_AND_SMALLER]
    assert "less than 1 point below the highest of the eligible models" in text_of(found)
    assert "for latency" not in text_of(found)  # the file is smaller, and that is all
    assert "Compared with large fp32, the fastest of them, it is as fast within 5 %." in text_of(found)


def test_a_shorter_call_does_not_outrank_what_the_rounds_show():
    """One lucky call: the ratios of all rounds show the other model to be faster."""
    lucky, faster = model("lucky", "fp32", 0.73, 9.9), model("faster", "fp32", 0.73, 10.0)
    found = decide([lucky, faster], [compared("latency", lucky, faster, "worse")])
    assert found.choice.variant == "faster"


def test_models_are_ranked_by_their_shortest_calls_whatever_the_medians():
    rows = [model("steady", "fp32", 0.73, 11.0), model("disturbed", "fp32", 0.73, 10.0, latency_p50_ms=30.0)]
    found = decide(rows, [])
    assert found.choice.variant == "disturbed"
    assert found.findings[-1].latency.estimate == pytest.approx(10 / 11)
    assert "A call takes 30.0 ms in the median, the shortest 10.0 ms. " in text_of(found)


def test_where_latency_and_size_are_equal_accuracy_decides_then_the_shortest_call():
    rows = [model(name, "fp32", skill, ms) for name, skill, ms in (("a", 0.728, 10.0), ("b", 0.73, 10.2))]
    assert decide(rows).choice.name == "b fp32"
    assert decide([*rows, model("c", "fp32", 0.73, 10.1)]).choice.name == "c fp32"
    assert decide([rows[0], model("b", "fp32", 0.73, 10.0)], []).choice.name == "b fp32"


def test_latency_first_takes_what_is_shown_to_be_faster_than_the_choice_and_than_its_fp32():
    """int8 has the shortest call and the smallest file, and is no faster than fp32."""
    rows = [
        model("slow", "fp32", 0.73, 20.0),
        model("quick", "fp32", 0.70, 10.0),
        model("quick", "int8", 0.70, 9.9, SMALL),
    ]
    assert first_by(decide(rows), Priority.LATENCY) == "quick fp32"
    assert first_by(decide(rows, []), Priority.LATENCY) == "slow fp32"


def test_the_fastest_within_the_margin_is_compared_with_the_most_accurate():
    figures = {"d": (0.73, 35.0), "c": (0.73, 30.0), "b": (0.727, 20.0), "a": (0.725, 10.0)}
    found = decide([model(name, "fp32", *figures[name]) for name in figures])
    assert [(one.code, one.model.variant) for one in found.findings] == [(Code.WITHIN_MARGIN, "c"), (Code.FASTEST, "c")]
    assert first_by(found, Priority.ACCURACY) == "c fp32"


@pytest.mark.parametrize("right", [7000, 6093, 9974])
def test_exactly_a_point_less_is_not_less_than_a_point(right):
    """As binary fractions, 0.5993 lies above 0.6093 - 0.01."""
    rows = [model("slow", "fp32", right / 10_000, 20.0), model("fast", "fp32", (right - 100) / 10_000, 10.0)]
    assert decide(rows).choice.variant == "slow"


@pytest.mark.parametrize(
    ("int8_ms", "verdict", "int8_accuracy", "chosen", "code"),
    [
        (2.0, "better", 0.729, "int8", Code.PRECISION_FASTER),
        (9.8, "undecided", 0.73, "fp32", Code.PRECISION_NOT_FASTER),
        (9.9, "equivalent", 0.73, "fp32", Code.PRECISION_NOT_FASTER),
        (11.0, "worse", 0.73, "fp32", Code.PRECISION_NOT_FASTER),
        (2.0, "better", 0.719, "fp32", Code.PRECISION_LESS_ACCURATE),
    ],
)
def test_int8_is_never_taken_for_granted(int8_ms, verdict, int8_accuracy, chosen, code):
    """Only where it is shown to be faster than the same network's fp32, and loses less than a point."""
    full, int8 = model("pool", "fp32", 0.73, 10.0), model("pool", "int8", int8_accuracy, int8_ms, SMALL)
    accuracy = compared("accuracy", int8, full, "worse" if int8_accuracy < 0.72 else "equivalent", half=0.001)
    found = decide([full, int8], [accuracy, compared("latency", int8, full, verdict)])
    assert found.choice.precision == found.precisions["pool"].model.precision == chosen
    (finding,) = found.precisions["pool"].findings
    assert (finding.code, finding.model.precision) == (code, "int8")
    assert finding.latency.estimate == pytest.approx(int8_ms / 10)
    said = describe_precision(found.precisions["pool"])
    expected = {
        Code.PRECISION_FASTER: "Compared with fp32, pool int8 is faster by a factor of 4.9 – 5.1",
        Code.PRECISION_NOT_FASTER: "pool int8 is not shown to be faster than fp32: ",
        Code.PRECISION_LESS_ACCURATE: "pool int8 loses 1 point or more compared with fp32: less accurate by 1.00 –",
    }
    assert said.startswith(expected[code])
    said_of_choice = " ".join(describe_recommendation(found))
    assert (said in said_of_choice) == (code is not Code.PRECISION_FASTER)  # which its latency's words say
    assert first_by(found, Priority.SIZE) == "pool int8"


def test_every_network_has_one_precision_and_the_choice_s_is_the_choice():
    """On wide int8 loses too much against the best network, though not against its own fp32: no bundle holds it."""
    rows = [
        model("best", "fp32", 0.740, 30.0),
        model("best", "int8", 0.739, 20.0),
        model("wide", "fp32", 0.735, 10.0),
        model("wide", "int8", 0.728, 4.0),
    ]
    found = decide(rows)
    assert found.choice.name == "wide fp32"
    chosen = {variant: precision.model.precision for variant, precision in found.precisions.items()}
    assert chosen == {"best": "int8", "wide": "fp32"}
    assert found.precisions["wide"].model == found.choice


def test_the_configuration_s_precision_overrides_the_rule_and_is_recorded():
    rows = [
        model("pool", "fp32", 0.73, 10.0),
        model("pool", "int8", 0.70, 2.0, SMALL),
        model("deep", "fp32", 0.75, 20.0),
        model("deep", "int8", 0.72, 5.0, SMALL),
        model("pool", "fp32", 0.73, 8.0, provider="cuda"),
    ]
    wanted = Deployment(**CPU, precision="int8")
    found = recommend(rows, clear_cut(rows[:4]), wanted)
    here, elsewhere = found.recommendations
    assert found.deployed() == here
    assert (here.choice.name, elsewhere.choice.name) == ("deep int8", "pool fp32")
    assert {one.model.precision for one in here.precisions.values()} == {"int8"}
    assert (here.findings[0].code, here.findings[0].model.name) == (Code.OVERRIDE, "deep fp32")
    assert text_of(here).startswith("The configuration asks for int8; the rule would choose deep fp32.")
    assert here.precisions["pool"].findings[0].model.name == "pool fp32"
    place = "with provider cpu in batches of 1 on 1 thread of a host"
    with pytest.raises(ResbenchError, match=f"no fp16 model was measured {place}; choose one of: fp32, int8$"):
        recommend(rows, [], Deployment(**CPU, precision="fp16"))


def test_the_configuration_s_precision_applies_only_where_bundles_run():
    """Other settings, and other hosts, follow the rule: there may be no model of that precision."""
    here = [model("pool", "fp32", 0.73, 10.0), model("pool", "int8", 0.729, 2.0)]
    elsewhere = model("pool", "fp32", 0.73, 8.0, host="another host")
    batches = [row | {"batch_size": 32} for row in here]
    faster = [compared("latency", here[1], here[0], "better") | {"batch_size": size} for size in (1, 32)]
    found = recommend([*batches, *here, elsewhere], faster, Deployment(**CPU, precision="fp32"))
    chosen = {(one.host, one.batch_size): one.choice.precision for one in found.recommendations}
    assert chosen == {("a host", 32): "int8", ("a host", 1): "fp32", ("another host", 1): "fp32"}
    overridden = [Code.OVERRIDE in codes(one.findings) for one in found.recommendations]
    assert overridden == [False, True, False]
    found = recommend([*batches, *here, elsewhere], faster, Deployment(**CPU, precision="int8"))
    assert found.deployed().choice.precision == "int8"


def test_comparisons_are_read_in_either_direction_and_at_their_own_setting():
    slow, fast = model("slow", "fp32", 0.73, 20.0), model("fast", "fp32", 0.729, 10.0)
    right = compared("latency", slow, fast, "worse")
    for changes in ({"batch_size": 32}, {"provider": "cuda"}, {"threads": 2}, {"host": "another host"}):
        found = decide([slow, fast], [right | changes])
        assert found.findings[-1].latency.verdict == "undecided"
    found = decide([slow, fast], [right, right | {"batch_size": 32, "verdict": "better"}])
    comparison = found.findings[-1].latency
    assert (comparison.verdict, comparison.estimate) == ("better", 0.5)
    assert comparison.low == pytest.approx(0.5 / 1.02)


def test_settings_and_providers_are_decided_apart():
    rows = [
        model("small", "fp32", 0.73, 9.0),
        model("wide", "fp32", 0.73, 10.0),
        model("small", "fp32", 0.73, 90.0, batch_size=32),
        model("wide", "fp32", 0.73, 80.0, batch_size=32),
        model("wide", "fp32", 0.73, 1.0, provider="cuda", host="another"),
    ]
    found = recommend(rows, [], Deployment(provider="cpu", batch_size=32, threads=1))
    named = {(one.provider, one.batch_size): one.choice.variant for one in found.recommendations}
    assert named == {("cpu", 1): "small", ("cpu", 32): "wide", ("cuda", 1): "wide"}
    assert found.deployed().choice.variant == "wide"
    assert found.at("cuda", "another", (1.0, 1.0)).choice.variant == "wide"
    assert found.at("cuda", "a host", (1.0, 1.0)) is None
    assert recommend(rows, [], None).deployment == Deployment(**CPU)
    assert recommend(rows, [], Deployment(provider="tensorrt", batch_size=1, threads=1)).deployed() is None


def test_the_file_holds_what_was_decided(tmp_path):
    rows = [model("pool", "fp32", 0.73, 10.0), model("pool", "int8", 0.729, 2.0, SMALL)]
    found = recommend(rows, clear_cut(rows), None)
    path = tmp_path / "recommendation.json"
    path.write_text(found.model_dump_json())
    assert read_recommendations(path) == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": None}, "rule"),
        ({"extra": 1}, "extra"),
        ({"recommendations": [{"provider": "cpu"}]}, "recommendations.0"),
        ({"deployment": {"provider": "cpu", "batch_size": 0, "threads": 1}}, "deployment.batch_size"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, change, said):
    content = json.loads(recommend([model("pool", "fp32", 0.73, 10.0)], [], None).model_dump_json())
    path = tmp_path / "recommendation.json"
    for text in (json.dumps(content | change), "[1]", "{"):
        path.write_text(text)
        with pytest.raises(ResbenchError, match=r"recommendation\.json: ") as caught:
            read_recommendations(path)
        assert "\n" not in str(caught.value)
        if text.startswith('{"'):
            assert said in str(caught.value)


def test_collate_decides_once(results):
    """From raw files to recommendation.json and report.md: both name the same model."""
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(100)
        results.model("pool", seed, right=order < 80)
        results.predict("pool", seed, right=order < 80, precision="int8")
    results.time(
        [
            line
            for number in range(1, 6)
            for precision, ms in (("fp32", 4.0), ("int8", 1.0))
            for line in calls("pool", [ms, ms * 1.1], number=number, precision=precision)
        ]
    )
    _, page = results.collate()
    found = read_recommendations(results.folder / "out" / "recommendation.json").deployed()
    assert found.choice.name == "pool int8"
    assert "Deploy **pool** in **int8**" in page


def test_int8_predictions_of_other_seeds_are_not_compared(results):
    """Their accuracies are the measured ones, of which nothing is shown."""
    results.model("pool", 0, right=80)
    results.model("pool", 1, right=79)
    del results.predictions[1]
    results.predict("pool", 1, right=79, precision="int8")
    rows = [calls("pool", [ms], number=n, precision=p) for n in range(1, 6) for p, ms in (("fp32", 4.0), ("int8", 1.0))]
    results.time([line for lines in rows for line in lines])
    _, text = results.collate()
    assert "less accurate as measured, which may be chance (undecided)" in text


models = st.lists(
    st.builds(
        model,
        st.sampled_from("abcd"),
        st.sampled_from(["fp32", "int8"]),
        st.floats(0.1, 0.99),
        st.floats(0.1, 100),
        st.integers(100_000, 10_000_000),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: (row["variant"], row["precision"]),
)


@given(models, st.randoms(use_true_random=False))
def test_the_recommendation_keeps_its_rule_and_does_not_depend_on_the_order(rows, random):
    comparisons = clear_cut(rows)
    found = decide(rows, comparisons)
    full = {row["variant"]: row for row in rows if row["precision"] == "fp32"}
    assert set(found.precisions) == {row["variant"] for row in rows}
    assert found.precisions[found.choice.variant].model == found.choice
    for precision in found.precisions.values():
        chosen = precision.model
        if chosen.precision == "int8" and chosen.variant in full:
            assert chosen.latency_min_ms < full[chosen.variant]["latency_min_ms"]
            assert chosen.accuracy > full[chosen.variant]["accuracy_mean"] - 0.01
    best = max(row["accuracy_mean"] for row in full.values()) if full else 0
    assert found.choice.accuracy > best - 0.01
    assert text_of(found)
    assert all(describe_alternative(one, found.choice) for one in found.alternatives)
    shuffled = decide(random.sample(rows, len(rows)), comparisons)
    assert shuffled.choice == found.choice
    assert Recommendations.model_validate_json(Recommendations(recommendations=[found]).model_dump_json())
