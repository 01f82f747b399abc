"""Timing: fresh processes, fair order, tidy rows, and nothing written when anything fails."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from resbench.benchmark import latency, latency_worker
from resbench.benchmark.latency import COLUMNS, INPUTS, measure_latency, rotate_inputs, schedule
from resbench.benchmark.latency_worker import CALLS, SECONDS, peak_rss_mb, time_calls, warm_up
from resbench.data.store import Split, save_split
from resbench.errors import ResbenchError
from resbench.files import read_json
from tiny_models import CLASSES, tiny_model


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Two models, one setting, one round: (rows, host, what the processes said)."""
    folder = tmp_path_factory.mktemp("latency")
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    save_split(folder / "test.npz", Split(images, np.zeros(40, np.uint8), np.array(CLASSES)))
    models = [tiny_model(folder / f"{name}.onnx", variant=name) for name in ("pool", "basic")]
    timings = []
    with pytest.MonkeyPatch.context() as patch:
        run = latency._run_worker

        def spy(job, images):
            timings.append((job, run(job, images)))
            return timings[-1][1]

        patch.setattr(latency, "_run_worker", spy)
        samples, host = folder / "out" / "samples.csv", folder / "out" / "host.json"
        measure_latency(models, "cpu", samples, host, data=folder / "test.npz", batch_sizes=[2], threads=[1], rounds=1)
    with samples.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return rows, read_json(host), timings


def test_one_row_for_each_timed_call(measured):
    rows, _, timings = measured
    assert list(rows[0]) == COLUMNS
    assert len(rows) == sum(len(timing["latency_ms"]) for _, timing in timings)
    for job, timing in timings:
        mine = [row for row in rows if f"{row['model']}.onnx" == job["model"]]
        assert [int(row["call"]) for row in mine] == list(range(1, len(timing["latency_ms"]) + 1))
        assert float(mine[0]["latency_ms"]) == pytest.approx(timing["latency_ms"][0], abs=1e-6)
        assert {(row["batch_size"], row["threads"], row["round"], row["provider"]) for row in mine} == {
            ("2", "1", "1", "cpu")
        }
    assert {(row["variant"], row["seed"], row["precision"]) for row in rows} == {
        ("pool", "0", "fp32"),
        ("basic", "0", "fp32"),
    }


def test_each_measurement_has_a_fresh_process(measured):
    pids = {timing["pid"] for _, timing in measured[2]}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_calls_are_many_enough_and_after_a_warm_up(measured):
    for _, timing in measured[2]:
        assert len(timing["latency_ms"]) >= CALLS
        assert sum(timing["latency_ms"]) > 0.5 * SECONDS * 1e3
        assert timing["warmup_calls"] >= 2 * latency_worker.WARMUP_STRETCH_CALLS
        assert timing["load_ms"] > 0
        assert timing["first_ms"] > 0


def test_memory_is_the_process_s_own(measured):
    """A parent holding 300 MB must not show in its child, as it would in ru_maxrss."""
    ballast = np.ones(300_000_000, np.uint8)
    child = "from resbench.benchmark.latency_worker import peak_rss_mb; print(peak_rss_mb())"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    output = subprocess.check_output([sys.executable, "-c", child], env=env)
    assert peak_rss_mb() > ballast.nbytes / 1e6
    assert 10 < float(output) < 300
    assert all(10 < timing["peak_rss_mb"] < 300 for _, timing in measured[2])


def test_host_tells_machine_and_conditions(measured):
    host = measured[1]
    assert host["rounds"] == 1
    assert host["images"] == "from --data"
    assert len(host["load_average_before"]) == len(host["load_average_after"]) == 3


def test_every_round_visits_everything_once_in_another_order():
    settings = [(model, batch, 1) for model in "abc" for batch in (1, 32)]
    order = schedule(settings, 4)
    assert order == schedule(settings, 4)
    rounds = [[setting for number, setting in order if number == n] for n in (1, 2, 3, 4)]
    assert [number for number, _ in order] == sorted(number for number, _ in order)
    assert all(sorted(visited) == sorted(settings) for visited in rounds)
    assert len({tuple(visited) for visited in rounds}) > 1


def test_inputs_rotate_and_reuse_what_there_is():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 32, 32, 3), np.uint8)
    batches = rotate_inputs(images, 2)
    assert batches.shape == (INPUTS, 2, 32, 32, 3)
    assert batches[:, :, 0, 0, 0].ravel().tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0]


class Clock:
    """A model in virtual time: each call takes what `durations` says, the last value for ever."""

    def __init__(self, monkeypatch, durations):
        self.now, self.durations, self.calls = 0.0, durations, 0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def call(self):
        seconds = self.durations[min(self.calls, len(self.durations) - 1)]
        self.calls += 1
        self.now += seconds
        return seconds * 1e3


def test_warm_up_goes_on_while_calls_get_faster(monkeypatch):
    assert warm_up(Clock(monkeypatch, [0.1]).call) == 4  # two stretches of 0.2 s
    assert warm_up(Clock(monkeypatch, [0.4, 0.4, 0.3, 0.3, 0.2, 0.2, 0.1]).call) == 10
    endless = [0.9**n for n in range(100)]
    clock = Clock(monkeypatch, endless)
    warm_up(clock.call)
    assert latency_worker.WARMUP_PATIENCE_S < clock.now < 2 * latency_worker.WARMUP_PATIENCE_S


def test_fast_models_are_timed_for_a_time_and_slow_ones_for_enough_calls(monkeypatch):
    assert len(time_calls(Clock(monkeypatch, [0.001]).call)) == pytest.approx(SECONDS / 0.001, abs=2)
    assert len(time_calls(Clock(monkeypatch, [1.0]).call)) == CALLS


def refused(folder, models, match, provider="cpu", **settings):
    samples, host = folder / "samples.csv", folder / "host.json"
    options = {"data": None, "batch_sizes": [1], "threads": [1], "rounds": 1} | settings
    with pytest.raises(ResbenchError, match=match) as caught:
        measure_latency(models, provider, samples, host, **options)
    assert "\n" not in str(caught.value)
    assert not [path for path in folder.iterdir() if "samples" in path.name or "host" in path.name]


def test_twins_are_refused_before_anything_is_timed(tmp_path):
    models = [tiny_model(tmp_path / name) for name in ("a.onnx", "b.onnx")]
    refused(tmp_path, models, r"b\.onnx: same variant, seed and precision as .*a\.onnx \(pool, 0, fp32\)")
    refused(tmp_path, [models[0]] * 2, "same variant")


def test_bad_models_and_data_are_refused(tmp_path):
    good = tiny_model(tmp_path / "good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    refused(tmp_path, [good, tmp_path / "bad.onnx"], r"bad\.onnx: not a model")
    refused(tmp_path, [good], r"absent\.npz: no such file", data=tmp_path / "absent.npz")


def test_provider_that_cannot_be_had_is_refused(tmp_path):
    refused(tmp_path, [tiny_model(tmp_path / "m.onnx")], "no NVIDIA GPU here|does not run on cuda", provider="cuda")


def test_model_that_fails_in_its_process_is_named(tmp_path):
    model = tiny_model(tmp_path / "m.onnx", scale=float("inf"))
    refused(tmp_path, [model], r"m\.onnx: answers NaN")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("kill -9 $$", r"m\.onnx: its process was killed \(SIGKILL\)"),
        ("echo noise >&2; echo the reason >&2; exit 3", "^the reason$"),
        ("exit 3", "exit status 3"),
    ],
)
def test_process_that_dies_is_reported_with_its_last_words(tmp_path, monkeypatch, script, said):
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
    monkeypatch.setattr(latency, "WORKER_TIMEOUT_S", 0.2)
    refused(tmp_path, [tiny_model(tmp_path / "m.onnx")], "no end after")
    assert not psutil.Process().children()


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
    parent.send_signal(interruption)
    _, error = parent.communicate(timeout=10)
    assert workers
    psutil.wait_procs(workers, timeout=5)
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    assert parent.returncode == 128 + interruption
    assert b"Traceback" not in error
    assert not out.exists()
