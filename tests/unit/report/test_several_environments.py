"""Several environments in one report: each has its own rows, comparisons and recommendation; they are never mixed."""

import json

from report_files import calls, rows_of

HERE = {"name": "Test CPU, 2 cores", "environment": "Test CPU, 2 cores, ONNX Runtime 1.26.0"}
NEWER = {"name": "Test CPU, 2 cores", "environment": "Test CPU, 2 cores, ONNX Runtime 1.31.1"}
MODELS = [{"variant": "pool", "seed": "0", "precision": "fp32", "sha256": "00"}]


def timed(pool, deep):
    return [
        line
        for number in range(1, 6)
        for variant, ms in (("pool", pool), ("deep", deep))
        for line in calls(variant, [ms + number / 1000] * 3, number=number)
    ]


def test_each_environment_has_its_own_rows_comparisons_and_recommendation(results):
    results.model("pool", 0, right=73)
    results.model("deep", 0, right=73)
    results.time(timed(pool=1.0, deep=2.0), host=HERE | {"models": MODELS})
    results.time(timed(pool=4.0, deep=2.0), host=NEWER | {"models": MODELS})
    rows, page = results.collate()
    found = {(row["host"], row["variant"]): float(row["latency_min_ms"]) for row in rows}
    assert found == {
        (HERE["environment"], "pool"): 1.001,
        (HERE["environment"], "deep"): 2.001,
        (NEWER["environment"], "pool"): 4.001,
        (NEWER["environment"], "deep"): 2.001,
    }
    assert len({row["accuracy_mean"] for row in rows}) == 1  # of the same files, evaluated once
    compared = rows_of(results.folder / "out/comparisons.csv")
    ratios = {row["host"]: float(row["estimate"]) for row in compared if row["metric"] == "latency"}
    assert all(row["p_adjusted"] == row["p_value"] for row in compared if row["metric"] == "latency")  # hosts apart
    assert {host: ratio < 1 for host, ratio in ratios.items()} == {
        HERE["environment"]: True,
        NEWER["environment"]: False,
    }
    decided = json.loads((results.folder / "out/recommendation.json").read_text())["recommendations"]
    assert {one["host"]: one["choice"]["variant"] for one in decided} == {
        HERE["environment"]: "pool",
        NEWER["environment"]: "deep",
    }
    assert all(host["environment"] in page for host in (HERE, NEWER))


def test_a_provider_that_was_only_timed_elsewhere_has_a_note_until_its_predictions_are_given(results):
    results.model("pool", 0, right=73)
    results.time(calls("pool", [10.0] * 3), host=HERE | {"models": MODELS})
    results.time(calls("pool", [5.0] * 3, provider="openvino"), host=NEWER | {"provider": "openvino", "models": MODELS})
    rows, page = results.collate()
    assert [row["accuracy_mean"] for row in rows] == ["0.73", ""]
    assert "Note: No accuracy with the OpenVINO provider." in page
    results.predict("pool", 0, right=72, provider="openvino")
    rows, page = results.collate()
    assert [row["accuracy_mean"] for row in rows] == ["0.73", "0.72"]
    assert "No accuracy with" not in page


def test_rounds_of_two_measurements_are_not_paired_though_the_environment_is_the_same(results):
    """Round 3 of one was at another time than round 3 of the other: their ratio shows nothing of the models."""
    for variant in ("pool", "deep", "basic"):
        results.model(variant, 0, right=73)
    results.time(timed(pool=1.0, deep=2.0), host=HERE)
    results.time([line for n in range(1, 6) for line in calls("basic", [4 + n / 1000] * 3, number=n)], host=HERE)
    rows, page = results.collate()
    assert [(row["variant"], row["latency_min_ms"]) for row in rows] == [
        ("pool", "1.001"),
        ("deep", "2.001"),
        ("basic", "4.001"),
    ]
    compared = rows_of(results.folder / "out/comparisons.csv")
    assert [(row["first"], row["second"]) for row in compared if row["metric"] == "latency"] == [("pool", "deep")]
    assert "Deploy **pool** in **fp32**" in page


def test_the_same_models_in_the_same_environment_twice_are_refused(good):
    good.time(calls("pool", [10.0] * 3))
    good.refused("of the same model as")


def test_timings_of_another_file_than_was_evaluated_are_refused(good):
    good.time(calls("pool", [10.0] * 3), host=NEWER | {"models": [MODELS[0] | {"sha256": "11"}]})
    good.refused(r"samples1\.csv: timed another file of pool 0 fp32 than was evaluated")
