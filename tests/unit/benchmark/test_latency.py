"""Timing: fresh processes, fair order, tidy rows, and nothing written when anything fails."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from resbench.benchmark import latency, latency_worker, process
from resbench.benchmark.columns import SAMPLE_COLUMNS
from resbench.benchmark.latency import measure_latency, schedule
from resbench.benchmark.latency_worker import Timing, peak_rss_mb, time_calls, warm_up
from resbench.benchmark.plan import INPUTS, LatencyRequest, TimedSetting, plan_latency, rotate
from resbench.benchmark.predictions import evaluate_test_sets, load_predictions
from resbench.benchmark.presets import LATENCY_PRESETS
from resbench.benchmark.rounds import Rounds
from resbench.common.errors import ResbenchError
from resbench.common.files import read_json
from resbench.data.store import Split, load_split, save_split
from resbench.runtime.backend import Tensor
from tiny_models import CLASSES, tiny_model

SMOKE = LATENCY_PRESETS["smoke"]
FIELDS = dict.fromkeys(Timing._fields, 1)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Forty images, each of one colour of its own."""
    path = tmp_path_factory.mktemp("data") / "test.npz"
    colours = np.random.default_rng(0).integers(0, 256, (40, 1, 1, 3), np.uint8)
    pixels = np.broadcast_to(colours, (40, 32, 32, 3)).copy()
    save_split(path, Split(pixels, np.zeros(40, np.uint8), np.array(CLASSES)))
    return path


@pytest.fixture(scope="module")
def measured(tmp_path_factory, images):
    """Two models, one setting, two rounds, answers checked: (rows, host, what the processes were told and said)."""
    folder = tmp_path_factory.mktemp("latency")
    models = [tiny_model(folder / f"{name}.onnx", variant=name) for name in ("pool", "basic")]
    predictions = [folder / f"{model.stem}.npz" for model in models]
    for model, path in zip(models, predictions, strict=True):
        evaluate_test_sets(model, [(images, path)], "cpu", threads=1)
    timings = []
    with pytest.MonkeyPatch.context() as patch:
        run = latency.run_fresh

        def spy(module, job, data):
            timings.append((job, run(module, job, data)))
            return timings[-1][1]

        patch.setattr(latency, "run_fresh", spy)
        samples, host = folder / "out" / "samples.csv", folder / "out" / "host.json"
        request = LatencyRequest("cpu", batch_sizes=[2], threads=[1], preset="smoke", rounds=2)
        stored = {"data": images, "predictions": predictions}
        measure_latency(models, request, samples, host, **stored, notes=["cuda was left out"])
    with samples.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return rows, read_json(host), timings


def test_one_row_for_each_timed_call(measured):
    rows, _, timings = measured
    assert list(rows[0]) == SAMPLE_COLUMNS
    assert len(rows) == sum(len(timing["latency_ms"]) for _, timing in timings)
    for position, (job, timing) in enumerate(timings):
        number = str(1 + position // 2)
        mine = [row for row in rows if f"{row['model']}.onnx" == job["model"] and row["round"] == number]
        assert [int(row["call"]) for row in mine] == list(range(1, len(timing["latency_ms"]) + 1))
        assert float(mine[0]["latency_ms"]) == pytest.approx(timing["latency_ms"][0], abs=1e-6)
        for name in ("load_ms", "first_ms", "peak_rss_mb"):
            assert float(mine[0][name]) == pytest.approx(timing[name], abs=1e-4)
        assert {(row["batch_size"], row["threads"], row["round"], row["provider"]) for row in mine} == {
            ("2", "1", number, "cpu")
        }
    assert {(row["variant"], row["seed"], row["precision"]) for row in rows} == {
        ("pool", "0", "fp32"),
        ("basic", "0", "fp32"),
    }


def test_each_measurement_has_a_fresh_process(measured):
    pids = {timing["pid"] for _, timing in measured[2]}
    assert len(pids) == 4
    assert os.getpid() not in pids


def test_calls_are_many_enough_and_after_a_warm_up(measured):
    for job, timing in measured[2]:
        assert job["calls"] == SMOKE.calls / 2
        assert len(timing["latency_ms"]) >= SMOKE.calls / 2
        assert sum(timing["latency_ms"]) > 0.5 * SMOKE.seconds * 1e3
        assert timing["warmup_calls"] > latency_worker.WARMUP_PATIENCE
        assert timing["load_ms"] > 0
        assert timing["first_ms"] > 0


class Slow:
    """A model of three classes that takes 40 ms to load, 20 for its first call and 2 for the others."""

    outputs = (Tensor("probabilities", "float32", (None, 3)),)

    def __init__(self, wrong_from=10**9):
        self.opened, self.batches, self.wrong_from = None, [], wrong_from

    def open(self, *arguments):
        time.sleep(0.04)
        self.opened = arguments
        return self

    def run(self, images):
        time.sleep(0.002 if self.batches else 0.02)
        self.batches.append(images.copy())
        image = images[:, 0, 0].astype(np.float32)
        image /= image.sum(axis=1, keepdims=True)
        return image if len(self.batches) < self.wrong_from else image[:, ::-1]

    def node_placement(self):
        return {}

    def options(self):
        return {}


JOB = latency_worker.Job("m.onnx", "cpu", {"a": "b"}, 1e-3, 3, 2, INPUTS, calls=20, seconds=0.01)


def slow(monkeypatch, model):
    """Time it: what `latency` sends, and what comes back."""
    monkeypatch.setattr(latency_worker, "open_session", model.open)
    monkeypatch.setattr(latency_worker, "WARMUP_GROUP_S", 0.01)
    images = np.random.default_rng(0).integers(1, 256, (INPUTS, 2, 32, 32, 3), np.uint8)
    expected = images[:, :, 0, 0].astype(np.float32)
    expected /= expected.sum(axis=-1, keepdims=True)
    return images, latency_worker.time_model(JOB, images.tobytes() + expected.tobytes())


def test_loading_the_first_call_and_warm_calls_are_told_apart_in_ms(monkeypatch):
    model = Slow()
    start = time.perf_counter()
    images, timing = slow(monkeypatch, model)
    elapsed = 1e3 * (time.perf_counter() - start)
    assert model.opened == (Path("m.onnx"), "cpu", 3, {"a": "b"})
    assert timing.load_ms >= 40
    assert timing.first_ms >= 20
    assert min(timing.latency_ms) >= 2
    assert timing.load_ms + timing.first_ms + sum(timing.latency_ms) < elapsed
    assert len(model.batches) == 1 + timing.warmup_calls + len(timing.latency_ms)
    np.testing.assert_array_equal(model.batches[: INPUTS + 1], [*images, images[0]])


def test_a_model_whose_outputs_change_while_it_is_timed_is_refused(monkeypatch):
    with pytest.raises(ResbenchError, match=r"m\.onnx: not timed, since its outputs differ by"):
        slow(monkeypatch, Slow(wrong_from=15))


def test_a_process_gets_its_own_setting_and_the_answers_to_its_images(tmp_path, images, monkeypatch):
    model, stored = tiny_model(tmp_path / "m.onnx"), tmp_path / "p.npz"
    evaluate_test_sets(model, [(images, stored)], "openvino", threads=1)
    request = smoke("openvino", batch_sizes=[3], threads=[2, 4], rounds=5, options={"NUM_STREAMS": "1"})
    plan = plan_latency([model], request, data=images, predictions=[stored])
    sent = []
    monkeypatch.setattr(latency, "run_fresh", lambda module, job, data: sent.append((job, data)) or FIELDS)
    for setting in plan.settings:
        latency.time_setting(plan, setting)
    for (job, data), threads in zip(sent, (2, 4), strict=True):
        assert job == {
            "model": str(model),
            "provider": "openvino",
            "options": {"NUM_STREAMS": "1"},
            "tolerance": 1e-3,
            "threads": threads,
            "batch_size": 3,
            "inputs": INPUTS,
            "calls": 10,
            "seconds": SMOKE.seconds,
        }
        expected = (load_split(images).images, load_predictions(stored).probabilities)
        assert data == b"".join(rotate(array, 3).tobytes() for array in expected)


def test_memory_is_the_process_s_own(measured):
    """A parent holding 300 MB must not show in its child, as it would in ru_maxrss."""
    ballast = np.ones(300_000_000, np.uint8)
    child = "from resbench.benchmark.latency_worker import peak_rss_mb; print(peak_rss_mb())"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    output = subprocess.check_output([sys.executable, "-c", child], env=env)
    assert peak_rss_mb() > ballast.nbytes / 1e6
    assert 10 < float(output) < 300
    assert all(10 < timing["peak_rss_mb"] < 300 for _, timing in measured[2])


def test_host_describes_machine_and_conditions(measured):
    host = measured[1]
    assert (host["preset"], host["rounds"]) == ("smoke", 2)
    assert (host["images"], host["outputs"]) == ("from --data", "checked against stored predictions")
    assert host["notes"] == ["cuda was left out"]
    assert (host["copies"], host["tf32"]) == (None, None)
    assert len(host["load_average_before"]) == len(host["load_average_after"]) == 3


def test_host_describes_how_well_each_setting_repeated_and_where_its_nodes_ran(measured):
    host = measured[1]
    assert {one["variant"] for one in host["settings"]} == {"pool", "basic"}
    for one in host["settings"]:
        assert (one["batch_size"], one["threads"], one["seed"], one["precision"]) == (2, 1, "0", "fp32")
        assert one["provider_share"] == 1.0
        assert one["nodes"] == {"CPUExecutionProvider": 4}
        assert one["median_spread"] >= 0
        assert one["stable"] == (one["warmed_up"] and one["median_spread"] <= 0.05)
    assert host["stable"] == all(one["stable"] for one in host["settings"])
    assert len(host["measurements"]) == 4
    for one in host["measurements"]:
        assert 0 <= one["steal"] <= 1
        assert one["others"] >= 0
        assert one["throttled"] in (True, False)


def test_every_round_visits_everything_once_in_another_order():
    settings = [TimedSetting(model, batch, 1) for model in "abc" for batch in (1, 32)]
    rounds = schedule(settings, 4)
    assert rounds == schedule(settings, 5)[:4]
    assert all(sorted(visited) == sorted(settings) for visited in rounds)
    assert len({tuple(visited) for visited in rounds}) > 1


def test_inputs_rotate_and_reuse_what_there_is():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 32, 32, 3), np.uint8)
    batches = rotate(images, 2)
    assert batches.shape == (INPUTS, 2, 32, 32, 3)
    assert batches[:, :, 0, 0, 0].ravel().tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0]


class Clock:
    """A model in virtual time: its call number n at time t takes `seconds(n, t)`."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds, self.calls = 0.0, seconds, 0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def call(self):
        seconds = self.seconds(self.calls, self.now)
        self.calls += 1
        self.now += seconds
        return seconds * 1e3


@pytest.mark.parametrize("start", [1.5, 5, 50])
def test_warm_up_outlasts_a_slow_start(monkeypatch, start):
    """Calls of 10 ms that begin `start` times slower and approach that within some 40 calls."""
    clock = Clock(monkeypatch, lambda n, t: 0.01 * (1 + (start - 1) * np.exp(-n / 10)))
    calls, ended = warm_up(clock.call)
    assert ended
    assert calls == clock.calls
    assert clock.call() < 1.05 * 10
    assert clock.now < 20 * start * 0.01 + 1  # and does not go on for ever


def test_warm_up_is_short_where_there_is_nothing_to_warm(monkeypatch):
    clock = Clock(monkeypatch, lambda n, t: 0.01)
    assert warm_up(clock.call) == (30, True)  # the first stretch of 0.1 s, and two that are no faster


@pytest.mark.parametrize("drift", [0.3, -0.01])
def test_warm_up_ends_though_the_machine_s_clock_drifts(monkeypatch, drift):
    """A machine that slows down by 30 % a second, or speeds up by 1 %, is no reason to wait."""
    clock = Clock(monkeypatch, lambda n, t: 0.01 * (1 + drift * t))
    assert warm_up(clock.call)[1]
    assert clock.now < 0.5


def test_warm_up_ends_though_calls_scatter(monkeypatch):
    for seed in range(50):
        noise = np.random.default_rng(seed).exponential(0.3, 10_000)
        clock = Clock(monkeypatch, lambda n, t, noise=noise: 0.01 * (1 + noise[n]))
        assert warm_up(clock.call)[1]
        assert clock.now < 1.5


def test_warm_up_that_never_ends_is_stopped_and_reported(monkeypatch):
    clock = Clock(monkeypatch, lambda n, t: 0.5 * 0.94 ** (t * 10))
    _, ended = warm_up(clock.call)
    assert not ended
    assert latency_worker.WARMUP_LIMIT_S < clock.now < latency_worker.WARMUP_LIMIT_S + 1


def test_fast_models_are_timed_for_a_time_and_slow_ones_for_enough_calls(monkeypatch):
    fast, slow = (Clock(monkeypatch, lambda n, t, s=s: s) for s in (0.001, 1.0))
    monkeypatch.setattr(time, "monotonic", lambda: fast.now)
    assert len(time_calls(fast.call, 16, 0.2)) == pytest.approx(200, abs=2)
    monkeypatch.setattr(time, "monotonic", lambda: slow.now)
    assert len(time_calls(slow.call, 16, 0.2)) == 16


def smoke(provider="cpu", **chosen):
    return LatencyRequest(provider, **{"batch_sizes": [1], "threads": [1], "preset": "smoke", "rounds": 1} | chosen)


def refused(folder, models, match, request=None, **given):
    samples, host = folder / "samples.csv", folder / "host.json"
    with pytest.raises(ResbenchError, match=match) as caught:
        measure_latency(models, request or smoke(), samples, host, **given)
    assert "\n" not in str(caught.value)
    assert not [path for path in folder.iterdir() if "samples" in path.name or "host" in path.name]


def test_duplicates_are_refused_before_anything_is_timed(tmp_path):
    models = [tiny_model(tmp_path / name) for name in ("a.onnx", "b.onnx")]
    refused(tmp_path, models, r"b\.onnx: same variant, seed and precision as .*a\.onnx \(pool, 0, fp32\)")
    refused(tmp_path, [models[0]] * 2, "same variant")


def test_bad_models_and_data_are_refused(tmp_path):
    good = tiny_model(tmp_path / "good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    refused(tmp_path, [good, tmp_path / "bad.onnx"], r"bad\.onnx: not a model")
    refused(tmp_path, [good], r"absent\.npz: no such file", data=tmp_path / "absent.npz")


def test_a_model_with_other_outputs_than_predicted_is_not_timed(tmp_path, images):
    model, stored = tiny_model(tmp_path / "m.onnx"), tmp_path / "p.npz"
    evaluate_test_sets(model, [(images, stored)], "cpu", threads=1)
    with np.load(stored) as arrays:
        content = dict(arrays)
    content["probabilities"] = content["probabilities"][:, ::-1].copy()
    with stored.open("wb") as stream:
        np.savez(stream, **content)
    refused(tmp_path, [model], r"m\.onnx: not timed, since its outputs differ by", data=images, predictions=[stored])


def test_predictions_must_be_of_these_models_and_images(tmp_path, images):
    models = [tiny_model(tmp_path / f"{name}.onnx", variant=name) for name in ("a", "b")]
    evaluate_test_sets(models[0], [(images, tmp_path / "a.npz")], "cpu", threads=1)
    given = {"data": images, "predictions": [tmp_path / "a.npz"]}
    refused(tmp_path, models, r"b\.onnx: none of the --predictions are of it", **given)
    refused(tmp_path, models[1:], r"a\.npz: of none of these models", **given)
    refused(tmp_path, models[:1], r"a\.npz: of other images than --data", **given | {"data": None})
    with np.load(images) as arrays, (tmp_path / "other.npz").open("wb") as stream:
        np.savez(stream, **dict(arrays) | {"labels": arrays["labels"] + 1})
    refused(tmp_path, models[:1], r"a\.npz: of other images than --data", **given | {"data": tmp_path / "other.npz"})
    with np.load(tmp_path / "a.npz") as arrays, (tmp_path / "cuda.npz").open("wb") as stream:
        np.savez(stream, **dict(arrays) | {"provider": np.array("cuda")})
    elsewhere = given | {"predictions": [tmp_path / "cuda.npz"]}
    refused(tmp_path, models[:1], r"cuda\.npz: made on cuda, not on cpu; evaluate it there", **elsewhere)
    refused(tmp_path, models[:1], r"gone\.npz: no such file", data=images, predictions=[tmp_path / "gone.npz"])
    (tmp_path / "cut.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:100])
    refused(
        tmp_path, models[:1], r"cut\.npz: not a readable predictions", data=images, predictions=[tmp_path / "cut.npz"]
    )


class Killed(Exception):
    pass


def test_an_interrupted_measurement_goes_on_with_the_missing_rounds(tmp_path, monkeypatch):
    """Killed in round 2 of 3, after 4 of its 6 measurements: round 1 is kept, rounds 2 and 3 are measured."""
    models = [tiny_model(tmp_path / f"{name}.onnx", variant=name) for name in ("pool", "basic")]
    run, jobs, allowed = latency.run_fresh, [], 3

    def counted(module, job, data):
        if len(jobs) == allowed:
            raise Killed
        jobs.append(job)
        return run(module, job | {"seconds": 0.01}, data)

    monkeypatch.setattr(latency, "run_fresh", counted)
    kept, out = tmp_path / "kept", tmp_path / "out"

    def measure():
        measure_latency(models, smoke(rounds=None), out / "samples.csv", out / "host.json", checkpoints=kept)

    with pytest.raises(Killed):
        measure()
    assert [path.name for path in kept.rglob("*.json")] == ["round1.json"]
    assert not out.exists()
    jobs.clear()
    allowed = 4
    measure()
    with (out / "samples.csv").open(newline="") as stream:
        rounds = {(row["variant"], row["round"]) for row in csv.DictReader(stream)}
    assert rounds == {(variant, number) for variant in ("pool", "basic") for number in "123"}
    assert not kept.exists()


def test_rounds_of_other_conditions_and_damaged_ones_are_not_taken(tmp_path):
    timing = Timing(**FIELDS)
    store = Rounds(tmp_path / "kept", {"models": ["a"]})
    store.save(1, [timing, timing])
    assert store.load(1, 2) == [timing, timing]
    assert store.load(2, 2) is None
    assert store.load(1, 3) is None
    assert Rounds(tmp_path / "kept", {"models": ["b"]}).load(1, 2) is None
    (path,) = tmp_path.rglob("round1.json")
    for damaged in ("", "[1, 2]", '[{"pid": 1}]', "{}", path.read_text()[:50]):
        path.write_text(damaged)
        assert store.load(1, 2) is None
    Rounds(None, {}).save(1, [timing])
    assert Rounds(None, {}).load(1, 1) is None


def test_rounds_belong_together_where_models_images_settings_and_effort_are_the_same(tmp_path):
    model = tiny_model(tmp_path / "m.onnx")
    plan = plan_latency([model], smoke())
    assert plan.fingerprint() == plan_latency([model], smoke()).fingerprint()
    changes = [
        {"hashes": {model: "00"}},
        {"images": 255 - plan.images},
        {"options": {"name": "value"}},
        {"settings": [TimedSetting(model, 1, threads) for threads in (2, 1)]},
        {"calls": plan.calls + 1},
        {"seconds": plan.seconds + 1},
    ]
    others = [replace(plan, **change) for change in changes]
    assert all(other.fingerprint() != plan.fingerprint() for other in others)
    assert others[3].most_threads() == 2


def test_rounds_of_another_machine_or_runtime_do_not_belong_together(tmp_path, monkeypatch):
    """The same folder may be mounted on both machines; clocks are momentary."""
    host = latency.describe_host("cpu") | {"gpus": [{"name": "H100", "driver": "570.1", "clock_mhz": "1980"}]}
    kept = []

    def conditions(**changes):
        monkeypatch.setattr(latency, "describe_host", lambda provider: host | changes)
        with pytest.raises(Killed):
            measure_latency([tiny_model(tmp_path / "m.onnx")], smoke(), tmp_path / "s.csv", tmp_path / "h.json")
        return kept.pop()

    def keep(folder, conditions):
        kept.append(conditions)
        raise Killed

    monkeypatch.setattr(latency, "warnings_before", list)
    monkeypatch.setattr(latency, "Rounds", keep)
    first = conditions()
    momentary = {"gpus": [host["gpus"][0] | {"clock_mhz": "300"}], "time_utc": "later"}
    assert conditions(**momentary) == first
    others = {"name": "2 cores", "runtime_version": "0", "kernel": "0", "packages": {}, "git": None, "gpus": []}
    assert all(conditions(**{key: value}) != first for key, value in others.items())


def test_only_rounds_are_deleted_from_the_users_folder(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/round1.json").write_text("[]")
    for models in ("a", "b"):
        store = Rounds(tmp_path, {"models": [models]})
        store.save(1, [])
    store.remove()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "round1.json", "thesis.txt"]


def test_unavailable_provider_is_refused(tmp_path, no_gpu):
    refused(tmp_path, [tiny_model(tmp_path / "m.onnx")], "no NVIDIA GPU here", smoke("cuda"))


def test_model_that_fails_in_its_process_is_named(tmp_path):
    model = tiny_model(tmp_path / "m.onnx", scale=float("inf"))
    refused(tmp_path, [model], r"m\.onnx: returns NaN")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("kill -9 $$", r"m\.onnx: its process was killed \(SIGKILL\)"),
        ("echo noise >&2; echo the reason >&2; exit 3", "^the reason$"),
        ("exit 3", "resbench.benchmark.latency_worker .*` ended with status 3"),
    ],
)
def test_process_that_dies_is_reported_with_its_last_line(tmp_path, monkeypatch, script, said):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    refused(tmp_path, [tiny_model(tmp_path / "m.onnx")], said)


def test_process_that_hangs_is_killed(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(process, "TIMEOUT_S", 0.2)
    before = psutil.Process().children()
    refused(tmp_path, [tiny_model(tmp_path / "m.onnx")], "did not end within")
    assert psutil.Process().children() == before


WORKER = (
    "from resbench.benchmark.process import serve_parent; import time; serve_parent(dict, lambda *_: time.sleep(60))"
)
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], '{}'], stdin=subprocess.DEVNULL)"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_a_killed_parent_takes_its_worker_along():
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen([sys.executable, "-c", PARENT, WORKER], env=env)
    deadline, workers = time.monotonic() + 30, []
    while not workers and time.monotonic() < deadline:
        time.sleep(0.05)
        # Asleep in `run`: by then it has asked to be told.
        workers = [
            child
            for child in psutil.Process(parent.pid).children()
            if child.status() == psutil.STATUS_SLEEPING and child.cpu_times().user > 0
        ]
    time.sleep(1)
    parent.kill()
    parent.wait()
    assert workers
    gone, alive = psutil.wait_procs(workers, timeout=10)
    assert (len(gone), alive) == (1, [])


COMMAND_LINE = "import sys; sys.executable = sys.argv.pop(1); from resbench.cli import main; main()"


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_interruption_kills_the_process_and_leaves_nothing(tmp_path, interruption):
    python, out = tmp_path / "python", tmp_path / "out"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    command = [sys.executable, "-c", COMMAND_LINE, str(python), "latency", str(tiny_model(tmp_path / "m.onnx"))]
    command += ["--provider", "cpu", "--samples", str(out / "samples.csv"), "--host", str(out / "host.json")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen(command, stderr=subprocess.PIPE, env=env)
    deadline = time.monotonic() + 30
    workers: list[psutil.Process] = []
    while not workers and time.monotonic() < deadline:
        time.sleep(0.05)
        workers = [child for child in psutil.Process(parent.pid).children() if child.name() == "sleep"]
    time.sleep(0.5)  # until the parent has left Popen(), which forgets the process if a signal comes before its end
    parent.send_signal(interruption)
    _, error = parent.communicate(timeout=10)
    assert workers
    psutil.wait_procs(workers, timeout=5)
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    assert parent.returncode == 128 + interruption
    assert b"Traceback" not in error
    assert not out.exists()


def test_openvino_is_timed_as_onnx_runtime_is(tmp_path, images):
    model, stored = tiny_model(tmp_path / "m.onnx"), tmp_path / "p.npz"
    evaluate_test_sets(model, [(images, stored)], "openvino", threads=1)
    samples, path = tmp_path / "samples.csv", tmp_path / "host.json"
    measure_latency([model], smoke("openvino", batch_sizes=[2]), samples, path, data=images, predictions=[stored])
    host = read_json(path)
    assert (host["provider"], host["runtime"]) == ("openvino", "OpenVINO")
    assert host["runtime_version"] in host["packages"]["openvino"]
    assert host["provider_options"]["INFERENCE_PRECISION_HINT"] == "f32"
    assert host["settings"][0]["provider_share"] == 1.0
    with samples.open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert row["provider"] == "openvino"
    assert all(float(row[name]) > 0 for name in ("load_ms", "first_ms", "peak_rss_mb", "latency_ms"))


@pytest.mark.parametrize(("provider", "option"), [("openvino", "INFERENCE_NUM_THREADS"), ("cuda", "enable_cuda_graph")])
def test_options_that_cannot_work_are_refused_before_anything_is_timed(tmp_path, provider, option):
    model = tiny_model(tmp_path / "m.onnx")
    said = rf"--provider-option {provider}\.{option}: {option} .*leave it out"
    refused(tmp_path, [model], said, smoke(provider, options={option: "1"}))


def test_more_threads_than_the_quota_allows_is_a_warning(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(latency, "cpu_quota", lambda: 0.25)
    measure_latency([tiny_model(tmp_path / "m.onnx")], smoke(), tmp_path / "s.csv", tmp_path / "h.json")
    said = "oversubscribed: 1 threads on 0.25 cores wait for each other"
    assert said in capfd.readouterr().err
    assert said in read_json(tmp_path / "h.json")["warnings"]
