"""comparisons.csv: a row for each pair that can be compared, and a verdict that follows from its numbers."""

import math

import numpy as np
import pytest
from report_files import calls
from resbench.report.comparisons import COMPARISON_COLUMNS

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
    assert {(row["provider"], row["batch_size"], row["threads"]) for row in named(rows, metric="latency")} == {
        ("cpu", "1", "1")
    }
    assert {(row["batch_size"], row["threads"]) for row in named(rows, metric="accuracy")} == {("", "")}


def test_verdicts_name_a_winner_only_where_the_corrected_p_value_allows(three):
    basic_pool, basic_deep, pool_deep = named(three.compare(), metric="accuracy")[:3]
    assert float(basic_pool["estimate"]) == pytest.approx(-1 / 300, rel=1e-4)
    assert basic_pool["verdict"] == (
        "not distinguishable with these runs; more than 100 seeds, or more test images, would tell"
    )
    assert basic_pool["seeds_needed"] == ""
    for row in (basic_deep, pool_deep):
        low, high = sorted(abs(100 * float(row[end])) for end in ("low", "high"))
        assert row["verdict"] == f"worse by {low:.1f} – {high:.1f} points"
        assert float(row["p_adjusted"]) < 0.05
    p_values = sorted(float(row["p_value"]) for row in (basic_pool, basic_deep, pool_deep))
    adjusted = sorted(float(row["p_adjusted"]) for row in (basic_pool, basic_deep, pool_deep))
    assert adjusted[0] == pytest.approx(3 * p_values[0], rel=1e-4)


def test_seeds_that_would_tell(results):
    seeds_of(results, "basic", [60, 72])
    seeds_of(results, "pool", [74, 83])
    results.time(calls("pool", [1.0]))
    row = results.compare()[0]
    needed = int(row["seeds_needed"])
    assert 2 < needed < 100
    assert row["verdict"] == f"not distinguishable with these runs; about {needed} seeds would tell"


def test_with_one_seed_the_models_are_compared_and_it_says_so(results):
    results.model("basic", 0, right=50)
    results.model("pool", 0, right=52)
    results.model("deep", 0, right=90)
    results.time(calls("pool", [1.0]))
    alike, apart = (row for row in results.compare()[:2])
    assert alike["verdict"] == "not distinguishable with these runs; one seed cannot tell how many would"
    assert alike["p_value"] == "0.5"  # two images, both for pool
    assert apart["verdict"].startswith("worse by ")
    assert apart["verdict"].endswith(" points in these two models; one seed cannot tell more")
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
    assert fast["verdict"].endswith("would tell; keeps 99 % of fp32's accuracy")
    assert half["first_precision"] == "fp16"
    assert half["verdict"].endswith("points; falls below 99 % of fp32's accuracy")
    (latency,) = named(rows, metric="latency")
    assert (latency["first_precision"], latency["estimate"], latency["verdict"]) == (
        "int8",
        "0.25",
        "faster by a factor of 4.0",
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
    low, high = float(basic_pool["low"]), float(basic_pool["high"])
    assert low < 2 < high
    assert basic_pool["verdict"] == f"slower by a factor of {low:.1f} – {high:.1f}"
    assert float(basic_deep["estimate"]) == pytest.approx(1, rel=1e-3)
    assert basic_deep["verdict"] == "not distinguishable with these runs"
    low, high = 1 / float(pool_deep["high"]), 1 / float(pool_deep["low"])
    assert pool_deep["verdict"] == f"faster by a factor of {low:.1f} – {high:.1f}"
    assert pool_deep["seeds_needed"] == ""


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


def test_too_few_rounds_or_none_in_common_give_no_verdict(results):
    results.model("pool", 0, right=50)
    results.model("deep", 0, right=50)
    results.time(rounds("pool", [1.0, 1.0]) + rounds("deep", [3.0, 3.0]))
    (row,) = named(results.compare(), metric="latency")
    assert (row["estimate"], row["low"], row["p_value"], row["p_adjusted"]) == (f"{1 / 3:.6g}", "", "", "")
    assert row["verdict"] == "not distinguishable with these runs; it takes 3 rounds or more"
    results.timings.clear()
    results.time(calls("pool", [1.0], number=1) + calls("deep", [1.0], number=2))
    assert named(results.compare(), metric="latency") == []


def test_published_accuracy_is_held_against_the_next_run(results):
    seeds_of(results, "pool", [72, 74, 73])
    seeds_of(results, "basic", [72, 74, 73])
    results.time(calls("pool", [1.0]))
    pool, basic = named(results.compare("CIFAR-10"), second="published")
    half = 4.302653 * 0.01 * math.sqrt(1 + 1 / 3)  # Student's prediction interval, 2 degrees of freedom
    assert float(pool["estimate"]) == pytest.approx(0.73 - 0.7307, rel=1e-3)
    assert float(pool["low"]) == pytest.approx(0.73 - half - 0.7307, rel=1e-3)
    assert (pool["p_value"], pool["p_adjusted"], pool["seeds_needed"], pool["second_precision"]) == ("", "", "", "")
    assert pool["verdict"] == "published 73.07 % is inside our interval of one more run, 68.0 – 78.0 %"
    assert basic["verdict"] == "published 63.88 % is outside our interval of one more run, 68.0 – 78.0 %"


@pytest.mark.parametrize(
    ("variant", "dataset", "change", "reason"),
    [
        ("pool", "digits", {}, "other images than CIFAR-10's"),
        ("pool", "CIFAR-10", {"epochs": 2}, "2 epochs instead of 10"),
        ("pool", "CIFAR-10", {"train_images": 5000}, "5,000 training images instead of 50,000"),
        ("pool", "CIFAR-10", {"batch_size": 128}, "batches of 128 instead of 32"),
        ("pool", "CIFAR-10", {"protocol": "he2015"}, "the protocol he2015 instead of notebook"),
        ("resnet20", "CIFAR-10", {}, "the protocol notebook instead of he2015"),
        ("resnet20", "CIFAR-10", {"protocol": "he2015"}, "10 epochs instead of 164"),
    ],
)
def test_published_accuracy_is_not_held_against_another_protocol(results, variant, dataset, change, reason):
    results.model(variant, 0, right=73, **change)
    results.time(calls(variant, [1.0]))
    (row,) = results.compare(dataset)
    assert row["verdict"] == f"not comparable: {reason}"
    assert (row["estimate"], row["low"], row["high"]) == ("", "", "")


def test_the_protocol_of_deep_networks_in_full_is_comparable(results):
    results.model("resnet20", 0, right=91, protocol="he2015", epochs=164, batch_size=128)
    results.time(calls("resnet20", [1.0]))
    assert "91.25 % is inside our interval of the one seed over test images" in results.compare()[0]["verdict"]
