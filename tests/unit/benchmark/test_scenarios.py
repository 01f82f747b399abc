"""MLPerf's scenarios: LoadGen calls runs VALID, says why where they are not, and the search finds the highest rate."""

import csv
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from resbench.benchmark import scenarios
from resbench.benchmark.columns import SCENARIO_COLUMNS
from resbench.benchmark.host import describe_host
from resbench.benchmark.loadgen_worker import Job, Outcome, Responder, read_outcome
from resbench.benchmark.presets import SCENARIO_PRESETS, SMOKE, Size
from resbench.benchmark.scenarios import confirm_rate, measure_scenarios, search_rate
from resbench.common.errors import ResbenchError
from resbench.data.store import Split, save_split
from tiny_models import CLASSES, tiny_model


@pytest.fixture
def images(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    save_split(tmp_path / "test.npz", Split(pixels, np.zeros(40, np.uint8), np.array(CLASSES)))
    return tmp_path / "test.npz"


def run(folder, images, bound_ms):
    results = folder / "out" / "scenarios.csv"
    models = [tiny_model(folder / "m.onnx")]
    settings = {"preset": "smoke", "threads": 1, "batch_size": 8, "bound_ms": bound_ms}
    measure_scenarios(models, ["cpu"], results, data=images, **settings)
    with results.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == SCENARIO_COLUMNS
    return {row["scenario"]: row for row in rows}


def test_loadgen_calls_all_three_scenarios_valid(tmp_path, images):
    rows = run(tmp_path, images, bound_ms=200.0)
    assert list(rows) == ["SingleStream", "Offline", "Server"]
    for row in rows.values():
        assert (row["verdict"], row["reason"]) == ("VALID", "")
        assert (row["variant"], row["precision"], row["provider"], row["threads"]) == ("pool", "fp32", "cpu", "1")
        assert 0 < float(row["p50_ms"]) <= float(row["p90_ms"]) <= float(row["p99_ms"])
        assert row["loadgen"].count(".") == 2
        assert row["host"] == describe_host("cpu")["environment"]  # which the report takes, see `read_timings`
    single, offline, server = rows.values()
    assert float(single["rate_ips"]) <= 2 * 1e3 / float(single["p50_ms"])  # half the calls take the median or more
    assert (single["batch_size"], offline["batch_size"], single["p99_bound_ms"]) == ("1", "8", "")
    assert float(server["p99_ms"]) <= float(server["p99_bound_ms"]) == 200.0


def test_a_bound_that_cannot_be_kept_is_invalid_with_loadgen_s_reason(tmp_path, images, monkeypatch):
    monkeypatch.setattr(scenarios, "HALVINGS", 1)
    monkeypatch.setitem(SCENARIO_PRESETS, "smoke", SMOKE | {"Offline": Size(0.1, 1), "SingleStream": Size(0.1, 64)})
    server = run(tmp_path, images, bound_ms=0.001)["Server"]
    assert server["verdict"] == "INVALID"
    assert "Reduce target QPS" in server["reason"]


def outcome(verdict):
    return Outcome(verdict, "", 1.0, 1.0, 1.0, 1.0, "6.0.17")


def test_progress_is_shown_before_each_scenario(tmp_path, images, monkeypatch):
    """In the official lengths, a scenario takes ten minutes."""
    shown = []
    monkeypatch.setattr(scenarios, "run_fresh", lambda *_: outcome("VALID")._asdict())
    monkeypatch.setattr(scenarios.Progress, "update", lambda self, fraction, detail: shown.append(round(6 * fraction)))
    models = [tiny_model(tmp_path / "m.onnx"), tiny_model(tmp_path / "n.onnx", seed="1")]
    settings = {"preset": "mlperf", "threads": 1, "batch_size": 8, "bound_ms": 1.0}
    measure_scenarios(models, ["cpu"], tmp_path / "scenarios.csv", data=images, **settings)
    assert shown == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("scenario", "sizes"), [("Offline", [4, 4, 2]), ("SingleStream", [1] * 10)], ids=["Offline", "SingleStream"]
)
def test_every_sample_is_answered_by_its_image_in_batches_of_the_scenario(monkeypatch, scenario, sizes):
    answered, calls = [], []
    loadgen = SimpleNamespace(QuerySampleResponse=lambda number, *_: number, QuerySamplesComplete=answered.extend)
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", loadgen)
    images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1) * np.ones((32, 32, 3), np.uint8)
    job = Job("m.onnx", "cpu", {}, threads=1, batch_size=4, bound_ms=1.0, scenario=scenario)
    responder = Responder(SimpleNamespace(run=calls.append), images, job)
    responder.issue([SimpleNamespace(id=100 + number, index=number) for number in range(10, 20)])
    assert [len(batch) for batch in calls] == sizes
    assert np.concatenate(calls)[:, 0, 0, 0].tolist() == [*range(10, 20)]
    assert answered == [*range(110, 120)]


@pytest.mark.parametrize("limit", [0.1, 3.0, 50.0, 99.0])
def test_search_finds_the_highest_rate_that_is_valid(limit):
    rate, found = search_rate(lambda rate: outcome("VALID" if rate <= limit else "INVALID"), highest=100.0)
    assert found.verdict == "VALID"
    assert 0.93 * limit <= rate <= limit


def test_search_without_a_valid_rate_ends_at_the_lowest():
    rate, found = search_rate(lambda rate: outcome("INVALID"), highest=100.0)
    assert (rate, found.verdict) == (100 / 2**scenarios.HALVINGS, "INVALID")


@pytest.mark.parametrize(("limit", "verdict", "runs"), [(100, "VALID", 1), (91, "VALID", 3), (10, "INVALID", 5)])
def test_a_long_run_retreats_while_it_fails(limit, verdict, runs):
    tried = []

    def trial(rate):
        tried.append(rate)
        return outcome("VALID" if rate <= limit else "INVALID")

    assert confirm_rate(trial, 100.0).verdict == verdict
    assert len(tried) == runs


def test_log_is_read_key_by_key():
    log = "\n".join(
        f':::MLLOG {{"key": "{key}", "value": {value}, "time_ms": 1.0}}'
        for key, value in {
            "loadgen_version": '"6.0.17 @ abc"',
            "result_validity": '"INVALID"',
            "early_stopping_met": "false",
            "result_invalid_reason": '"Reduce target QPS. "',
            "early_stopping_result": '" * Run unsuccessful.\\n * More."',
            "result_scheduled_samples_per_sec": "294.7",
            "result_50.00_percentile_latency_ns": "1000000",
            "result_90.00_percentile_latency_ns": "2000000",
            "result_99.00_percentile_latency_ns": "3500000",
        }.items()
    )
    reason = "Reduce target QPS. * Run unsuccessful. * More."
    assert read_outcome(log, "Server") == Outcome("INVALID", reason, 294.7, 1.0, 2.0, 3.5, "6.0.17")


def refused(folder, images, match, model, provider="cpu"):
    settings = {"preset": "smoke", "threads": 1, "batch_size": 8, "bound_ms": 100.0}
    with pytest.raises(ResbenchError, match=match):
        measure_scenarios([model], [provider], folder / "scenarios.csv", data=images, **settings)
    assert not list(folder.glob("*scenarios*"))


def test_what_cannot_run_is_refused_and_nothing_is_written(tmp_path, images, no_gpu):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    refused(tmp_path, images, r"bad\.onnx: not a model", tmp_path / "bad.onnx")
    half = tiny_model(tmp_path / "half.onnx", precision="fp16")
    refused(tmp_path, images, "none of the models' precisions is measured on", half)
    refused(tmp_path, images, r"broken\.onnx: returns NaN", tiny_model(tmp_path / "broken.onnx", scale=float("inf")))
    refused(tmp_path, images, "no NVIDIA GPU here", tiny_model(tmp_path / "m.onnx"), "cuda")
