"""Time models against each other under the same conditions."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resbench.benchmark.host import describe_host
from resbench.benchmark.sessions import Identity, available_cores, check_provider, identify, open_session
from resbench.data.store import load_split
from resbench.errors import ResbenchError
from resbench.files import atomic, write_json
from resbench.progress import Progress, say

COLUMNS = [
    *("model", "variant", "seed", "precision", "provider", "batch_size", "threads", "round"),
    *("load_ms", "first_ms", "peak_rss_mb", "call", "latency_ms"),
]

# Different inputs in turn: one alone would stay in the caches, which no deployment enjoys.
INPUTS = 8
# Far above any measurement (TensorRT builds an engine for minutes): only a hanging model gets here.
WORKER_TIMEOUT_S = 1800

Setting = tuple[Path, int, int]  # model, batch size, threads


def measure_latency(
    models: list[Path],
    provider: str,
    samples_path: Path,
    host_path: Path,
    *,
    data: Path | None,
    batch_sizes: list[int],
    threads: list[int],
    rounds: int,
) -> None:
    """Time every model at every batch size and thread count, once a round, each in a fresh process.

    Each round visits all combinations in its own random order, the same in every run, so that a
    machine that slows down for a while slows all models down and not one.  Writes one row a timed
    call (`COLUMNS`; latencies in milliseconds, memory in 10^6 bytes, round and call from 1) and the
    host's description, or neither.

    Args:
        models: .onnx files, each of another variant, seed or precision.
        data: .npz whose first images are timed on; None takes random pixels.

    Raises:
        ResbenchError: the provider cannot be had, a model is bad, two are the same, or a process fails.
    """
    check_provider(provider)
    identities = _identify_all(models)
    if max(threads) > available_cores():
        say(f"resbench: warning: {max(threads)} threads on {available_cores()} cores: they will wait for each other")
    images = load_split(data).images if data else np.random.default_rng(0).integers(0, 256, (256, 32, 32, 3), np.uint8)
    host = describe_host(provider)
    rows: list[list[Any]] = []
    settings = list(product(models, batch_sizes, threads))
    progress = Progress("latency")
    for done, (number, (model, batch_size, thread_count)) in enumerate(schedule(settings, rounds)):
        progress.update(done / (rounds * len(settings)), f"{model}, batch {batch_size}, threads {thread_count}")
        job = {"model": str(model), "provider": provider, "threads": thread_count, "batch_size": batch_size}
        timing = _run_worker(job, rotate_inputs(images, batch_size))
        identity = identities[model]
        shared = [
            *(model.with_suffix("").as_posix(), identity.variant, identity.seed, identity.precision, provider),
            *(batch_size, thread_count, number),
            *(round(timing[key], 4) for key in ("load_ms", "first_ms", "peak_rss_mb")),
        ]
        rows += [[*shared, call, round(ms, 6)] for call, ms in enumerate(timing["latency_ms"], 1)]
    progress.clear()
    host |= {
        "load_average_after": list(os.getloadavg()),
        "rounds": rounds,
        "images": "from --data" if data else "random pixels",
    }
    with atomic(samples_path) as temporary_samples, atomic(host_path) as temporary_host:
        with temporary_samples.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
        write_json(temporary_host, host)
    say(f"{len(rows)} calls timed on {host['name']}")


def schedule(settings: list[Setting], rounds: int) -> list[tuple[int, Setting]]:
    """(round from 1, setting) in the order of measurement: every setting once a round, shuffled."""
    order = random.Random(0)
    return [(number, setting) for number in range(1, rounds + 1) for setting in order.sample(settings, len(settings))]


def rotate_inputs(images: NDArray[np.uint8], batch_size: int) -> NDArray[np.uint8]:
    """INPUTS batches, uint8 (INPUTS, batch_size, 32, 32, 3), of the images in turn, reused where they run out."""
    return images[np.arange(INPUTS * batch_size) % len(images)].reshape(INPUTS, batch_size, *images.shape[1:])


def _identify_all(models: list[Path]) -> dict[Path, Identity]:
    """Check every model before the first is timed.  On the CPU, so that this process holds no GPU memory."""
    owners: dict[Identity, Path] = {}
    for model in models:
        identity = identify(open_session(model, "cpu", 1), model)._replace(classes=())
        if identity in owners:
            raise ResbenchError(
                f"{model}: same variant, seed and precision as {owners[identity]} "
                f"({identity.variant}, {identity.seed}, {identity.precision}); time each model once"
            )
        owners[identity] = model
    return {model: identity for identity, model in owners.items()}


def _run_worker(job: dict[str, Any], images: NDArray[np.uint8]) -> dict[str, Any]:
    """Run one measurement; an exception here, Ctrl-C included, kills the process."""
    package_parent = str(Path(__file__).parents[2])
    try:
        worker = subprocess.run(
            [sys.executable, "-m", "resbench.benchmark.latency_worker", json.dumps(job)],
            input=images.tobytes(),
            capture_output=True,
            timeout=WORKER_TIMEOUT_S,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([package_parent, os.environ.get("PYTHONPATH", "")])},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ResbenchError(f"{job['model']}: no end after {WORKER_TIMEOUT_S} s; export the model again") from error
    if worker.returncode < 0:
        name = signal.Signals(-worker.returncode).name
        raise ResbenchError(f"{job['model']}: its process was killed ({name}); give it more memory, or smaller batches")
    if worker.returncode:
        lines = worker.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {worker.returncode}"]
        raise ResbenchError(lines[-1])
    result: dict[str, Any] = json.loads(worker.stdout)
    return result
