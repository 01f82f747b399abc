"""The share of each operator and layer in a model's time, by ONNX Runtime's profiler."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from resbench.benchmark.columns import OPERATOR_COLUMNS
from resbench.benchmark.plan import identify_all, random_images
from resbench.benchmark.process import run_fresh
from resbench.benchmark.profile_worker import Job, Profile
from resbench.common.files import atomic
from resbench.common.progress import Progress, say
from resbench.data.store import load_split
from resbench.runtime.providers import BASE_PROVIDER


def profile_models(models: list[Path], operators: Path, *, data: Path | None, batch_size: int, threads: int) -> None:
    """Profile every model in a process of its own and write one row for each operator that was executed.

    Profiling slows calls down, so the rows give shares of the time in operators instead of latencies. The columns after
    those of the model: `layer`, the node's name in the file, or the runtime's where it made the node; `operator`, what
    the runtime executed; `share`, a fraction; `macs` of the call, and `gmacs_per_s`, for convolutions and matrix
    products; `peak_gmacs_per_s`, of a large matrix product in the same arithmetic with as many threads, measured in the
    same process; `unfused`, 1 where the model asks for integers and the operator computed in float.

    Args:
        models: .onnx files that differ in variant, seed or precision.
        operators: Table to write, .csv.
        data: .npz file whose first images are used; None takes random pixels.
        batch_size: Images in one call.
        threads: Threads that one call may use.

    Raises:
        ResbenchError: A model is bad, two are the same, or a process fails.
    """
    identities = identify_all(models)
    pixels = load_split(data).images if data else random_images()
    images = pixels[np.arange(batch_size) % len(pixels)].tobytes()
    progress, rows = Progress("profile"), []
    for done, model in enumerate(models):
        progress.update(done / len(models), str(model))
        job = Job(model=str(model), batch_size=batch_size, threads=threads)
        profile = Profile(**run_fresh("resbench.benchmark.profile_worker", job._asdict(), images))
        identity = identities[model]
        shared = [model.with_suffix("").as_posix(), identity.variant, identity.seed, identity.precision]
        shared += [BASE_PROVIDER.name, str(batch_size), str(threads)]
        rows += [[*shared, *_values(operator, profile)] for operator in profile.operators]
        unfused = sum(operator["unfused"] for operator in profile.operators)
        if unfused:
            say(f"resbench: warning: {model}: operators that compute in float what it has in integers: {unfused}")
    progress.clear()
    with atomic(operators) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([OPERATOR_COLUMNS, *rows])


def _values(operator: dict[str, Any], profile: Profile) -> list[Any]:
    """Return the cells of one operator, with six significant digits."""
    total = sum(one["ms"] for one in profile.operators)
    macs, integer = operator["macs"], operator["integer"]
    speed = macs / operator["ms"] / 1e6 if macs else None
    peak = (profile.integer_peak if integer else profile.float_peak) if macs else None
    numbers = (operator["ms"] / total, macs or None, speed, peak)
    return [
        operator["layer"],
        operator["operator"],
        *("" if value is None else f"{value:.6g}" for value in numbers),
        int(operator["unfused"]),
    ]
