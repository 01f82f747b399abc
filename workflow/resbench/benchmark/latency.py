"""Time models against each other under the same conditions."""

import csv
import hashlib
import math
import os
import random
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from resbench.benchmark.conditions import Disturbance, warnings_after, warnings_before
from resbench.benchmark.host import describe_host
from resbench.benchmark.latency_worker import Timing
from resbench.benchmark.manifest import Measurement, Setting, describe_measurements, summarize_settings
from resbench.benchmark.predictions import load_predictions
from resbench.benchmark.presets import LATENCY_PRESETS
from resbench.benchmark.process import run_fresh
from resbench.benchmark.rounds import Rounds
from resbench.common.errors import ResbenchError
from resbench.common.files import atomic, sha256, write_json
from resbench.common.progress import Progress, say
from resbench.common.system import available_cores
from resbench.data.store import Split, load_split
from resbench.runtime.providers import BASE_PROVIDER, PROVIDERS
from resbench.runtime.sessions import (
    Identity,
    Probabilities,
    check_provider,
    identify,
    open_session,
)

COLUMNS = [
    *("model", "variant", "seed", "precision", "provider", "batch_size", "threads", "round"),
    *("load_ms", "first_ms", "peak_rss_mb", "call", "latency_ms"),
]

Item = TypeVar("Item", bound=np.generic)

# Different inputs in turn: one alone would stay in the caches, which no deployment enjoys.
INPUTS = 8


def measure_latency(
    models: list[Path],
    provider: str,
    samples_path: Path,
    host_path: Path,
    *,
    data: Path | None,
    batch_sizes: list[int],
    threads: list[int],
    preset: str = "quick",
    rounds: int | None = None,
    predictions: list[Path] | None = None,
    options: dict[str, str] | None = None,
    checkpoints: Path | None = None,
    notes: list[str] | None = None,
) -> None:
    """Time every model at every batch size and thread count, once a round, each in a fresh process.

    Each round visits all combinations in its own random order, the same in every run, so that a
    machine that slows down for a while slows all models down and not one.  Writes both files, or
    neither:

    - samples: one row a timed call, `COLUMNS`; latencies in ms, memory in 10^6 bytes, round and
      call from 1.
    - host: `describe_host` and, of this measurement, `preset`, `rounds`, `images`, `answers` (what
      they were checked against), `copies` (what a call includes on a GPU), `provider_options` (those
      in effect), `tf32`, `load_average_after`, `warnings` and `notes` (in words), `stable`,
      `settings` and `measurements` (see `manifest`).

    Args:
        models: .onnx files, each of another variant, seed or precision.
        data: .npz whose first images are timed on; None takes random pixels.
        preset: one of LATENCY_PRESETS; `rounds` overrides its own.
        predictions: what `evaluate` wrote for each model on `data`; without them answers need only
            be probabilities.
        options: the provider's own, by ONNX Runtime's names.
        checkpoints: folder that keeps finished rounds until all are done, to go on from.
        notes: lines to keep with the host, such as what was left out and why.

    Raises:
        ResbenchError: the provider cannot be had, a model is bad or does not answer as predicted,
            two are the same, or a process fails.
    """
    check_provider(provider)
    identities = identify_all(models)
    hashes = {model: sha256(model) for model in models}
    split = load_split(data) if data else None
    images = split.images if split else np.random.default_rng(0).integers(0, 256, (256, 32, 32, 3), np.uint8)
    answers = _match_predictions(predictions or [], hashes, provider, split)
    plan = LATENCY_PRESETS[preset]._replace(**({} if rounds is None else {"rounds": rounds}))
    least_calls = math.ceil(plan.calls / plan.rounds)
    host = describe_host(provider)
    warnings = warnings_before()
    if max(threads) > available_cores():
        warnings.append(f"{max(threads)} threads on {available_cores()} cores: they will wait for each other")
    _warn(warnings)

    def measure(setting: Setting) -> Timing:
        job = setting._asdict() | {"model": str(setting.model), "provider": provider, "options": options or {}}
        content = rotate(images, setting.batch_size).tobytes()
        if answers:
            content += rotate(answers[setting.model], setting.batch_size).tobytes()
        job |= {"inputs": INPUTS, "calls": least_calls, "seconds": plan.seconds}
        return Timing(**run_fresh("resbench.benchmark.latency_worker", job, content))

    conditions = {
        "models": list(hashes.values()),
        "images": hashlib.sha256(rotate(images, max(batch_sizes)).tobytes()).hexdigest(),
        "settings": [provider, options, batch_sizes, threads, least_calls, plan.seconds],
        "host": {key: host[key] for key in ("name", "kernel", "packages", "git")},
        # Not their clocks, which are those of the moment.
        "gpus": [(gpu["name"], gpu["driver"]) for gpu in host["gpus"]],
    }
    finished = Rounds(checkpoints, conditions)
    settings = [Setting(*combination) for combination in product(models, batch_sizes, threads)]
    measured = measure_rounds(settings, plan.rounds, finished, measure)

    disturbances = [Disturbance(m.timing.steal, m.timing.others, m.timing.throttled) for m in measured]
    later = warnings_after(disturbances)
    _warn(later)
    summaries = summarize_settings(measured, identities, provider)
    in_effect = measured[0].timing.options
    host |= {
        "preset": preset,
        "rounds": plan.rounds,
        "images": "from --data" if data else "random pixels",
        "answers": "those of --predictions" if answers else "any probabilities",
        "copies": None if not PROVIDERS[provider].needs_gpu else "to the device and back, in every call",
        "provider_options": in_effect,
        "tf32": in_effect["use_tf32"] == "1" if "use_tf32" in in_effect else None,
        "load_average_after": list(os.getloadavg()),
        "warnings": warnings + later,
        "notes": notes or [],
        "stable": None if plan.rounds == 1 else all(summary["stable"] for summary in summaries),
        "settings": summaries,
        "measurements": describe_measurements(measured, identities),
    }
    rows = sample_rows(measured, identities, provider)
    with atomic(samples_path) as temporary_samples, atomic(host_path) as temporary_host:
        with temporary_samples.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
        write_json(temporary_host, host)
    finished.remove()
    say(f"{len(rows)} calls timed on {host['name']}")


def measure_rounds(
    settings: list[Setting], rounds: int, finished: Rounds, measure: Callable[[Setting], Timing]
) -> list[Measurement]:
    """Every setting once a round, in the order of `schedule`; finished rounds are taken as they are."""
    progress, measured = Progress("latency"), []
    orders = schedule(settings, rounds)
    kept = [finished.load(number, len(order)) for number, order in enumerate(orders, 1)]
    already = sum(timings is not None for timings in kept)
    if already:
        say(f"latency: {already} of {rounds} rounds were measured before; going on")
        progress = Progress("latency", already / rounds)
    done = already * len(settings)
    for number, (order, timings) in enumerate(zip(orders, kept, strict=True), 1):
        if timings is None:
            timings = []
            for setting in order:
                detail = f"round {number} of {rounds}, {setting.model}, batch {setting.batch_size}"
                progress.update(done / (rounds * len(settings)), detail)
                timings.append(measure(setting))
                done += 1
            finished.save(number, timings)
        measured += [Measurement(number, *pair) for pair in zip(order, timings, strict=True)]
    progress.clear()
    return measured


def schedule(settings: list[Setting], rounds: int) -> list[list[Setting]]:
    """The order of measurement: every setting once a round, shuffled anew in each; the same in every run."""
    order = random.Random(0)
    return [order.sample(settings, len(settings)) for _ in range(rounds)]


def rotate(items: NDArray[Item], batch_size: int) -> NDArray[Item]:
    """INPUTS batches, shape (INPUTS, batch_size, ...), of the items in turn, reused where they run out."""
    return items[np.arange(INPUTS * batch_size) % len(items)].reshape(INPUTS, batch_size, *items.shape[1:])


def sample_rows(measured: list[Measurement], identities: dict[Path, Identity], provider: str) -> list[list[Any]]:
    """One row a timed call, `COLUMNS`."""
    rows: list[list[Any]] = []
    for number, (model, batch_size, threads), timing in measured:
        identity = identities[model]
        shared = [
            *(model.with_suffix("").as_posix(), identity.variant, identity.seed, identity.precision, provider),
            *(batch_size, threads, number),
            *(round(value, 4) for value in (timing.load_ms, timing.first_ms, timing.peak_rss_mb)),
        ]
        rows += [[*shared, call, round(ms, 6)] for call, ms in enumerate(timing.latency_ms, 1)]
    return rows


def identify_all(models: list[Path]) -> dict[Path, Identity]:
    """Check every model before the first is timed.  On the CPU, so that this process holds no GPU memory."""
    owners: dict[Identity, Path] = {}
    for model in models:
        identity = identify(open_session(model, BASE_PROVIDER.name, 1), model)._replace(classes=())
        if identity in owners:
            raise ResbenchError(
                f"{model}: same variant, seed and precision as {owners[identity]} "
                f"({identity.variant}, {identity.seed}, {identity.precision}); time each model once"
            )
        owners[identity] = model
    return {model: identity for identity, model in owners.items()}


def _match_predictions(
    paths: list[Path], hashes: dict[Path, str], provider: str, split: Split | None
) -> dict[Path, Probabilities]:
    """The stored answers of each model, float32 (N, C); empty where none are given.

    Raises:
        ResbenchError: a file is of no model here, of another provider or of other images, or a model has none.
    """
    owners = {digest: model for model, digest in hashes.items()}
    answers: dict[Path, Probabilities] = {}
    for path in paths:
        stored = load_predictions(path)
        model = owners.get(stored.model_sha256)
        if model is None:
            raise ResbenchError(f"{path}: of none of the models given, or of an older file; evaluate again")
        if stored.provider != provider:
            raise ResbenchError(f"{path}: made on {stored.provider}, not on {provider}; evaluate there")
        if split is None or not np.array_equal(stored.labels, split.labels):
            raise ResbenchError(f"{path}: of other images than --data; name the file it was evaluated on")
        answers[model] = stored.probabilities
    for model in hashes:
        if paths and model not in answers:
            raise ResbenchError(f"{model}: none of the --predictions are of it; evaluate it, or give none")
    return answers


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        say(f"resbench: warning: {warning}")
