"""Time models against each other under the same conditions: plan, measure, summarise, write."""

import csv
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from resbench.benchmark.columns import SAMPLE_COLUMNS
from resbench.benchmark.conditions import Disturbance, warnings_after, warnings_before
from resbench.benchmark.host import describe_host
from resbench.benchmark.latency_worker import Job, Timing
from resbench.benchmark.plan import INPUTS, LatencyRequest, Plan, TimedSetting, plan_latency, rotate
from resbench.benchmark.process import run_fresh
from resbench.benchmark.rounds import Rounds
from resbench.benchmark.summary import Measurement, describe_measurements, summarize_settings
from resbench.common.cgroups import cpu_quota
from resbench.common.files import atomic, write_json
from resbench.common.progress import Progress, say
from resbench.common.system import available_cores


def measure_latency(
    models: list[Path],
    request: LatencyRequest,
    samples_path: Path,
    host_path: Path,
    *,
    data: Path | None = None,
    predictions: Sequence[Path] = (),
    checkpoints: Path | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Time every model at every batch size and thread count, once in each round, in fresh processes.

    Each round visits all combinations in a random order of its own, the same in every run, so that a machine that slows
    down for a while slows down all models and not one. Both files are written, or neither:

    - samples: one row for each timed call, by `SAMPLE_COLUMNS`; latencies in ms, memory in 10^6 bytes, round and call
      from 1.
    - host: `describe_host` and `summarize`.

    Args:
        models, request, data, predictions: See `plan_latency`.
        samples_path: File to write, .csv.
        host_path: File to write, .json.
        checkpoints: Folder that keeps finished rounds until all are done, to continue from; None keeps none.
        notes: Lines to keep in host_path, such as what was left out and why.

    Raises:
        ResbenchError: See `plan_latency`; or a model's outputs are not the predicted ones, or a process fails.
    """
    plan = plan_latency(models, request, data=data, predictions=predictions)
    host = describe_host(request.provider)
    warnings = [*warnings_before(), *_oversubscription(plan)]
    _warn(warnings)
    finished = Rounds(checkpoints, plan.fingerprint() | _fingerprint(host))
    measured = measure_rounds(plan.settings, plan.rounds, finished, lambda setting: time_setting(plan, setting))
    later = warnings_after([Disturbance(m.timing.steal, m.timing.others, m.timing.throttled) for m in measured])
    _warn(later)
    host |= summarize(plan, measured) | {"warnings": warnings + later, "notes": list(notes)}
    rows = sample_rows(plan, measured)
    _write(samples_path, host_path, rows, host)
    finished.remove()
    say(f"{len(rows)} calls timed on {host['name']}")


def time_setting(plan: Plan, setting: TimedSetting) -> Timing:
    """Time one setting in a process of its own.

    Args:
        plan: The measurement.
        setting: What to time.

    Returns:
        The timing.

    Raises:
        ResbenchError: The process fails, or the model's outputs are not the expected ones.
    """
    content = rotate(plan.images, setting.batch_size).tobytes()
    if plan.expected:
        content += rotate(plan.expected[setting.model], setting.batch_size).tobytes()
    job = Job(
        model=str(setting.model),
        provider=plan.provider.name,
        options=plan.options,
        tolerance=plan.provider.tolerance_of(plan.identities[setting.model].precision),
        threads=setting.threads,
        batch_size=setting.batch_size,
        inputs=INPUTS,
        calls=plan.calls,
        seconds=plan.seconds,
    )
    return Timing(**run_fresh("resbench.benchmark.latency_worker", job._asdict(), content))


def measure_rounds(
    settings: list[TimedSetting], rounds: int, finished: Rounds, measure: Callable[[TimedSetting], Timing]
) -> list[Measurement]:
    """Measure every setting once in each round, in the order of `schedule`.

    Args:
        settings: What to time.
        rounds: Number of rounds.
        finished: Rounds of an interrupted measurement, which are not measured again.
        measure: Times one setting.

    Returns:
        One measurement for each setting and round.
    """
    progress, measured = Progress("latency"), []
    orders = schedule(settings, rounds)
    kept = [finished.load(number, len(order)) for number, order in enumerate(orders, 1)]
    already = sum(timings is not None for timings in kept)
    if already:
        say(f"latency: {already} of {rounds} rounds were measured before; continuing")
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


def schedule(settings: list[TimedSetting], rounds: int) -> list[list[TimedSetting]]:
    """Return the order of measurement: every setting once in each round, shuffled, the same in every run.

    Args:
        settings: What to time.
        rounds: Number of rounds.

    Returns:
        The settings in order, for each round.
    """
    order = random.Random(0)
    return [order.sample(settings, len(settings)) for _ in range(rounds)]


def summarize(plan: Plan, measured: list[Measurement]) -> dict[str, Any]:
    """Return what a reader needs to judge the measurement.

    Args:
        plan: The measurement.
        measured: Its timings.

    Returns:
        Values that JSON can hold: `preset`; `rounds`; `images`, where they came from; `outputs`, how they were checked;
        `copies`, what a call includes on a GPU; `provider_options`, those in effect; `tf32`, None where the provider
        has no such option; `load_average_after`; `stable`; `models`, the files that were timed; `settings` and
        `measurements`, see `summary`.
    """
    summaries = summarize_settings(measured, plan.identities, plan.provider.name)
    in_effect = measured[0].timing.options
    return {
        "preset": plan.preset,
        "rounds": plan.rounds,
        "images": "from --data" if plan.real else "random pixels",
        "outputs": "checked against stored predictions" if plan.expected else "checked to be probabilities",
        "copies": "to the device and back, in every call" if plan.provider.needs_gpu else None,
        "provider_options": in_effect,
        "tf32": in_effect["use_tf32"] == "1" if "use_tf32" in in_effect else None,
        "load_average_after": list(os.getloadavg()),
        "stable": None if plan.rounds == 1 else all(summary["stable"] for summary in summaries),
        "models": [{**identity._asdict(), "sha256": plan.hashes[model]} for model, identity in plan.identities.items()],
        "settings": summaries,
        "measurements": describe_measurements(measured, plan.identities),
    }


def sample_rows(plan: Plan, measured: list[Measurement]) -> list[list[Any]]:
    """Return the rows of samples.csv.

    Args:
        plan: The measurement.
        measured: Its timings.

    Returns:
        One row for each timed call, `SAMPLE_COLUMNS`.
    """
    rows: list[list[Any]] = []
    for number, (model, batch_size, threads), timing in measured:
        identity = plan.identities[model]
        shared = [
            *(model.with_suffix("").as_posix(), identity.variant, identity.seed, identity.precision),
            *(plan.provider.name, batch_size, threads, number),
            *(round(value, 4) for value in (timing.load_ms, timing.first_ms, timing.peak_rss_mb)),
        ]
        rows += [[*shared, call, round(ms, 6)] for call, ms in enumerate(timing.latency_ms, 1)]
    return rows


def _write(samples_path: Path, host_path: Path, rows: list[list[Any]], host: dict[str, Any]) -> None:
    """Write both files or neither."""
    with atomic(samples_path) as temporary_samples, atomic(host_path) as temporary_host:
        with temporary_samples.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([SAMPLE_COLUMNS, *rows])
        write_json(temporary_host, host)


def _fingerprint(host: dict[str, Any]) -> dict[str, Any]:
    """Return what of the machine two rounds must share; clocks are momentary and do not count."""
    return {
        "host": {key: host[key] for key in ("name", "runtime", "runtime_version", "kernel", "packages", "git")},
        "gpus": [(gpu["name"], gpu["driver"]) for gpu in host["gpus"]],
    }


def _oversubscription(plan: Plan) -> list[str]:
    cores = min(available_cores(), cpu_quota() or available_cores())
    if plan.most_threads() <= cores:
        return []
    return [f"oversubscribed: {plan.most_threads()} threads on {cores:g} cores wait for each other"]


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        say(f"resbench: warning: {warning}")
