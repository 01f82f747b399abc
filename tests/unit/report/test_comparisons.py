"""comparisons.csv: a row for each pair that can be compared, and a verdict that follows from its numbers."""

import math

import numpy as np
import pytest
from report_files import LABELS, calls
from resbench.report.comparisons import COMPARISON_COLUMNS
from resbench.report.prose import describe_departure

GROUPS = np.repeat(np.arange(4), 25)  # of the 100 images


def seeds_of(results, variant, counts, precision="fp32"):
    """A model for each count of right answers, wrong on images spread alike over all groups."""
    for seed, right in enumerate(counts):
        order = np.random.default_rng(right).permutation(100)
        if precision == "fp32":
            results.model(variant, seed, right=order < right)
        else:
            results.predict(variant, seed, right=order < right, precision=precision)


def rounds(variant, floors, **options):
    return [
        line for number, ms in enumerate(floors, 1) for line in calls(variant, [ms, 2 * ms], number=number, **options)
    ]


def named(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


@pytest.fixture
def three(results):
    """Two networks alike and one that is better, three seeds each; nothing was timed twice."""
    seeds_of(results, "basic", [60, 62, 61])
    seeds_of(results, "pool", [61, 60, 63])
    seeds_of(results, "deep", [92, 93, 91])
    results.time(
        rounds("basic", [10.0] * 5)
        + rounds("pool", [5.0, 5.2, 4.8, 5.1, 4.9])
        + rounds("deep", [10.1, 9.9, 10, 10, 10])
    )
    return results


def test_every_pair_has_a_row(three):
    rows = three.compare()
    assert list(rows[0]) == COMPARISON_COLUMNS
    pairs = [("basic", "pool"), ("basic", "deep"), ("pool", "deep")]
    found = {
        metric: [(row["first"], row["second"]) for row in named(rows, metric=metric)]
        for metric in ("accuracy", "latency")
    }
    assert found == {"accuracy": [*pairs, ("basic", "published"), ("pool", "published")], "latency": pairs}
    assert [row["kind"] for row in rows if row["metric"] == "accuracy"] == ["network"] * 3 + ["published"] * 2
    assert {(row["provider"], row["batch_size"], row["threads"]) for row in named(rows, metric="latency")} == {
        ("cpu", "1", "1")
    }
    assert {(row["batch_size"], row["threads"]) for row in named(rows, metric="accuracy")} == {("", "")}


def test_verdicts_name_a_winner_only_where_the_corrected_p_value_allows(three):
    basic_pool, basic_deep, pool_deep = named(three.compare(), metric="accuracy")[:3]
    assert float(basic_pool["estimate"]) == pytest.approx(-1 / 300, rel=1e-4)
    assert (basic_pool["verdict"], basic_pool["seeds_needed"], basic_pool["seeds"]) == ("undecided", "", "3")
    for row in (basic_deep, pool_deep):
        assert row["verdict"] == "worse"
        assert float(row["p_adjusted"]) < 0.05
        assert (row["margin"], row["seeds_needed"]) == ("0.01", "")
    p_values = sorted(float(row["p_value"]) for row in (basic_pool, basic_deep, pool_deep))
    adjusted = sorted(float(row["p_adjusted"]) for row in (basic_pool, basic_deep, pool_deep))
    assert adjusted[0] == pytest.approx(3 * p_values[0], rel=1e-4)


def test_one_seed_is_not_compared_with_one_of_several(results):
    seeds_of(results, "basic", [60])
    seeds_of(results, "pool", [82, 62, 60])
    results.time(calls("pool", [1.0]))
    row = results.compare()[0]
    assert float(row["estimate"]) == pytest.approx(-0.08)
    assert [row[name] for name in ("verdict", "reason", "actual", "required", "seeds")] == [
        "undecided",
        "seeds",
        "1",
        "3",
        "1",
    ]
    assert (row["low"], row["p_value"], row["p_adjusted"]) == ("", "", "")
    assert "undecided: 1 and 3 seeds; train both with the same seeds" in results.collate()[1]


def test_seeds_needed(results):
    seeds_of(results, "basic", [60, 72])
    seeds_of(results, "pool", [74, 83])
    results.time(calls("pool", [1.0]))
    row = results.compare()[0]
    needed = int(row["seeds_needed"])
    assert 2 < needed < 100
    assert row["verdict"] == "undecided"
    seeds_of(results, "deep", [95, 96])
    assert int(results.compare()[0]["seeds_needed"]) > needed  # each of three pairs at a third of the level


def test_a_training_that_diverged_is_reported(results):
    """Two seeds 40 points apart: Student's factor of 12.7 would carry the interval far below -1."""
    seeds_of(results, "pool", [90, 50])
    seeds_of(results, "deep", [91, 90])
    seeds_of(results, "pool", [90, 10], precision="int8")
    results.time(calls("pool", [1.0]))
    ends = [(float(row["low"]), float(row["high"])) for row in results.compare("digits") if row["low"]]
    assert min(ends) == (-1, 1)
    assert all(-1 <= low <= high <= 1 for low, high in ends)


def test_with_one_seed_the_models_are_compared_and_it_says_so(results):
    results.model("basic", 0, right=50)
    results.model("pool", 0, right=52)
    results.model("deep", 0, right=90)
    results.time(calls("pool", [1.0]))
    alike, apart = (row for row in results.compare()[:2])
    assert (alike["verdict"], alike["seeds"]) == ("undecided", "1")
    assert alike["p_value"] == "0.5"  # two images, both for pool
    assert (apart["verdict"], apart["seeds"]) == ("worse", "1")
    assert (alike["seeds_needed"], apart["seeds_needed"]) == ("", "")


def test_precisions_are_compared_with_fp32_of_the_same_models(results):
    for seed in range(3):
        results.model("pool", seed, right=80 + seed)
        results.predict("pool", seed, right=80 + seed - (seed == 0), precision="int8")
        results.predict("pool", seed, right=60 + seed, precision="fp16")
    results.time(rounds("pool", [4.0] * 5) + rounds("pool", [1.0] * 5, precision="int8"))
    rows = results.compare("digits")
    fast, half = named(rows, metric="accuracy", second="pool")
    assert (fast["first"], fast["first_precision"], fast["second_precision"]) == ("pool", "int8", "fp32")
    assert float(fast["estimate"]) == pytest.approx(-1 / 300, rel=1e-4)
    assert float(fast["low"]) == pytest.approx(-1 / 300 - 4.302653 / 300, rel=1e-2)  # Student's, of paired seeds
    assert (fast["kind"], fast["verdict"]) == ("precision", "undecided")
    assert (half["first_precision"], half["verdict"]) == ("fp16", "worse")
    (latency,) = named(rows, metric="latency")
    assert (latency["first_precision"], latency["estimate"], latency["verdict"]) == (
        "int8",
        "0.25",
        "better",
    )


def test_families_are_corrected_apart(three):
    """Two providers ask the same question twice: neither makes the other's answer less sure."""
    alone = named(three.compare(), metric="accuracy", provider="cpu")
    for variant, counts in (("basic", [60, 62, 61]), ("pool", [61, 60, 63]), ("deep", [92, 93, 91])):
        for seed, right in enumerate(counts):
            three.predict(variant, seed, right=np.random.default_rng(right).permutation(100) < right, provider="cuda")
    rows = three.compare()
    assert named(rows, metric="accuracy", provider="cpu") == alone
    assert [row | {"provider": "cpu"} for row in named(rows, metric="accuracy", provider="cuda")] == alone


def test_latency_verdicts(three):
    basic_pool, basic_deep, pool_deep = named(three.compare(), metric="latency")
    assert float(basic_pool["estimate"]) == pytest.approx(2, rel=1e-3)
    assert float(basic_pool["low"]) < 2 < float(basic_pool["high"])
    assert basic_pool["verdict"] == "worse"
    assert float(basic_deep["estimate"]) == pytest.approx(1, rel=1e-3)
    assert (basic_deep["verdict"], basic_deep["margin"]) == ("equivalent", "0.05")
    assert float(basic_deep["p_equivalence"]) < 0.05
    assert pool_deep["verdict"] == "better"
    assert pool_deep["seeds_needed"] == ""


def test_noisy_rounds_of_3_46_and_9_50_ms_are_undecided_and_not_equivalent(results):
    """Lack of significance is no equivalence: one of three rounds was spoilt for each model."""
    results.model("pool", 0, right=50)
    results.model("deep", 0, right=50)
    results.time(rounds("pool", [3.46, 11.2, 4.1]) + rounds("deep", [9.5, 9.6, 12.8]))
    (row,) = named(results.compare(), metric="latency")
    assert float(row["p_adjusted"]) > 0.05
    assert (row["verdict"], float(row["p_equivalence"])) == ("undecided", 1)


def test_a_small_difference_that_is_real_is_equivalent(results):
    """2 % on a quiet machine: p is small, and the difference does not matter."""
    results.model("pool", 0, right=50)
    results.model("deep", 0, right=50)
    results.time(rounds("pool", [10.2, 10.21, 10.2, 10.19, 10.2]) + rounds("deep", [10.0, 10.0, 10.01, 10.0, 9.99]))
    (row,) = named(results.compare(), metric="latency")
    assert float(row["p_adjusted"]) < 0.05
    assert row["verdict"] == "equivalent"


def test_networks_in_different_precisions_are_compared_too_as_a_family_of_their_own(results):
    for variant, right in (("pool", 80), ("basic", 60)):
        results.model(variant, 0, right=right)
        results.predict(variant, 0, right=right - 1, precision="int8")
    results.time(calls("pool", [1.0]))
    rows = named(results.compare(), kind="model")
    names = [(row["first"], row["first_precision"], row["second"], row["second_precision"]) for row in rows]
    assert sorted(names) == [("pool", "fp32", "basic", "int8"), ("pool", "int8", "basic", "fp32")]
    # One family of two: which network is the first, and so which precision, follows from the order of the variants.
    clearest = min(rows, key=lambda row: float(row["p_value"]))
    assert float(clearest["p_adjusted"]) == pytest.approx(2 * float(clearest["p_value"]), rel=1e-3)


def test_a_latency_interval_reaches_1_just_where_p_is_5_percent(results):
    rng = np.random.default_rng(0)
    results.model("pool", 0, right=50)
    results.model("deep", 0, right=50)
    rows = []
    for threads in range(1, 31):
        rows += rounds("pool", np.exp(rng.normal(0.02, 0.02, 7)).tolist(), threads=threads)
        rows += rounds("deep", np.exp(rng.normal(0.0, 0.02, 7)).tolist(), threads=threads)
    results.time(rows)
    found = named(results.compare(), metric="latency")
    apart = [float(row["p_value"]) < 0.05 for row in found]
    assert apart == [float(row["low"]) > 1 or float(row["high"]) < 1 for row in found]
    assert 0 < sum(apart) < 30
    clearest = min(found, key=lambda row: float(row["p_value"]))  # all settings are one family
    assert float(clearest["p_adjusted"]) == pytest.approx(30 * float(clearest["p_value"]), rel=1e-3)


def test_too_few_rounds_or_none_in_common_give_no_verdict(results):
    results.model("pool", 0, right=50)
    results.model("deep", 0, right=50)
    results.time(rounds("pool", [1.0, 1.0]) + rounds("deep", [3.0, 3.0]))
    (row,) = named(results.compare(), metric="latency")
    assert (row["estimate"], row["low"], row["p_value"], row["p_adjusted"]) == (f"{1 / 3:.6g}", "", "", "")
    assert (row["verdict"], row["reason"], row["actual"], row["required"]) == ("undecided", "few_rounds", "2", "3")
    results.timings.clear()
    results.time(calls("pool", [1.0], number=1) + calls("deep", [1.0], number=2))
    assert named(results.compare(), metric="latency") == []
    results.timings.clear()
    slower = [calls("pool", [2.0**n], number=n) for n in range(1, 6)]  # each round takes twice as long as the last
    slower += [calls("deep", [2 * 2.0**n], number=n) for n in range(2, 7)]
    results.time([line for lines in slower for line in lines])
    (row,) = named(results.compare(), metric="latency")
    assert (row["estimate"], row["low"], row["high"]) == ("0.5", "0.5", "0.5")


def test_published_accuracy_is_held_against_the_next_run(results):
    seeds_of(results, "pool", [72, 74, 73])
    seeds_of(results, "basic", [72, 74, 73])
    results.predict("pool", 0, right=72, precision="int8")  # published accuracies are fp32's
    results.time(calls("pool", [1.0]))
    pool, basic = named(results.compare("CIFAR-10"), second="published")
    half = 4.302653 * 0.01 * math.sqrt(1 + 1 / 3)  # Student's prediction interval, 2 degrees of freedom
    assert float(pool["estimate"]) == pytest.approx(0.73 - 0.7307, rel=1e-3)
    assert float(pool["low"]) == pytest.approx(0.73 - half - 0.7307, rel=1e-3)
    assert (pool["p_value"], pool["p_adjusted"], pool["seeds_needed"], pool["second_precision"]) == ("", "", "", "")
    assert (pool["verdict"], pool["kind"]) == ("undecided", "published")
    assert (basic["verdict"], basic["kind"]) == ("better", "published")


@pytest.mark.parametrize(
    ("variant", "dataset", "change", "reason"),
    [
        ("pool", "digits", {}, ("dataset", "digits", "CIFAR-10")),
        ("pool", "CIFAR-10", {"epochs": 2}, ("epochs", "2", "10")),
        ("pool", "CIFAR-10", {"train_images": 5000}, ("train_images", "5000", "50000")),
        ("pool", "CIFAR-10", {"batch_size": 128}, ("batch_size", "128", "32")),
        ("pool", "CIFAR-10", {"protocol": "he2015"}, ("protocol", "he2015", "notebook")),
        ("pool", "CIFAR-10", {"published_protocol": None}, ("protocol", "notebook", "one that resbench does not have")),
        ("resnet20", "CIFAR-10", {}, ("protocol", "notebook", "he2015")),
        ("resnet20", "CIFAR-10", {"protocol": "he2015"}, ("epochs", "10", "164")),
        ("resnet8", "digits", {}, ("dataset", "digits", "CIFAR-10")),
    ],
)
def test_published_accuracy_is_not_compared_with_another_protocol(results, variant, dataset, change, reason):
    results.model(variant, 0, right=73, **change)
    results.time(calls(variant, [1.0]))
    (row,) = results.compare(dataset)
    assert row["verdict"] == "not_comparable"
    assert (row["reason"], row["actual"], row["required"]) == reason
    assert (row["estimate"], row["low"], row["high"]) == ("", "", "")


@pytest.mark.parametrize(
    ("reason", "actual", "required", "said"),
    [
        ("epochs", "1", "10", "1 epoch instead of 10"),
        ("epochs", "2", "10", "2 epochs instead of 10"),
        ("train_images", "5000", "50000", "5,000 training images instead of 50,000"),
        ("few_rounds", "1", "3", "1 round timed, 3 needed"),
        ("few_rounds", "2", "3", "2 rounds timed, 3 needed"),
        ("protocol", "onecycle", "he2015", "the protocol onecycle instead of he2015"),
    ],
)
def test_a_departure_in_words(reason, actual, required, said):
    assert describe_departure({"reason": reason, "actual": actual, "required": required}) == said


def test_the_protocol_of_deep_networks_in_full_is_comparable(results):
    results.model("resnet20", 0, right=91, protocol="he2015", epochs=164, batch_size=128)
    results.time(calls("resnet20", [1.0]))
    (row,) = results.compare()
    assert (row["verdict"], row["seeds"]) == ("undecided", "1")
    assert float(row["low"]) < 0 < float(row["high"])
    said = "consistent with the published accuracy: it lies inside this model's 95 % interval with one seed"
    assert f"| {said} |" in results.collate()[1]


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (70, "misses the target with one seed"),
        (85, "undecided: the target lies inside this model's 95 % interval with one seed"),
        (95, "reaches the target with one seed"),
    ],
)
def test_what_one_seed_shows_of_a_target_is_about_this_model(results, right, said):
    results.model("resnet8", 0, right=right)
    results.time(calls("resnet8", [1.0]))
    assert f"| {said} |" in results.collate()[1]


@pytest.mark.parametrize(
    ("counts", "verdict", "said"),
    [
        ([92, 93, 92], "better", "reaches the target"),
        ([70, 71, 70], "worse", "misses the target"),
        ([84, 85, 87], "undecided", "undecided: the target lies inside the 95 % interval of one more run"),
    ],
)
def test_a_target_applies_to_any_training(results, counts, verdict, said):
    """MLPerf Tiny asks 85 % of ResNet-8: a value to reach, not a result to repeat."""
    seeds_of(results, "resnet8", counts)
    results.time(calls("resnet8", [1.0]))
    (row,) = results.compare("CIFAR-10")
    assert (row["kind"], row["second"], row["verdict"], row["margin"]) == ("target", "target", verdict, "")
    assert f"| {said} |" in results.collate()[1]


def agreeing(results, variant, right):
    """The only row of three seeds that get about so many of 10,000 images right."""
    labels, order = np.tile(LABELS, 100), np.random.default_rng(0).permutation(10_000)
    for seed in range(3):
        results.model(variant, seed, right=85, test_images=10_000)
        results.predictions.pop()
        results.predict(variant, seed, right=order < right + 5 * (seed - 1), labels=labels)
    results.time(calls(variant, [1.0]))
    (row,) = results.compare("CIFAR-10")
    return row


@pytest.mark.parametrize(
    ("right", "verdict", "said"),
    [
        (7250, "equivalent", "reproduces the published accuracy within 1 point"),
        (7150, "worse", "below the published accuracy"),
        (7450, "better", "above the published accuracy"),
    ],
)
def test_a_published_accuracy_is_reproduced_within_a_margin(results, right, verdict, said):
    """It is 73.07 %."""
    assert agreeing(results, "pool", right)["verdict"] == verdict
    assert f"| {said} |" in results.collate()[1]


@pytest.mark.parametrize(("below", "verdict"), [(60, "worse"), (5, "undecided"), (-60, "better")])
def test_a_target_is_not_reached_within_a_margin(results, below, verdict):
    """Three seeds that agree, less than a point from the target."""
    row = agreeing(results, "resnet8", 8500 - below)
    assert abs(float(row["low"])) < 0.01
    assert abs(float(row["high"])) < 0.01
    assert row["verdict"] == verdict
