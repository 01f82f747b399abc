"""Time one model at one setting, in a process that does nothing else.

Several sessions in one process share its memory and fight over cores with their spinning threads,
so `latency` starts this module anew for each measurement: the job is JSON in the first argument,
the images are raw bytes on stdin, the result is JSON on stdout.
"""

import gc
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resbench.benchmark.sessions import check_probabilities, class_count, open_session
from resbench.errors import ResbenchError, one_line

# The report names a 90th percentile from 46 samples on: two rounds have them however slow the model.
CALLS = 25
# Short models: as many calls as fit in here, so that an interruption of milliseconds weighs little.
SECONDS = 1.0

# Warm-up goes on while a stretch of calls is over 5 % faster than the one before it: caches fill,
# the processor leaves its idle state, a GPU library picks its algorithms.
WARMUP_STRETCH_S = 0.2
WARMUP_STRETCH_CALLS = 2
WARMUP_GAIN = 0.05
WARMUP_PATIENCE_S = 3.0


class Job(NamedTuple):
    """The images on stdin are uint8 (K, batch_size, 32, 32, 3); calls take the K batches in turn."""

    model: str
    provider: str
    threads: int
    batch_size: int


class Timing(NamedTuple):
    """load_ms: making the session, without importing the runtime; first_ms: the first call; then steady state."""

    pid: int
    load_ms: float
    first_ms: float
    warmup_calls: int
    latency_ms: list[float]
    peak_rss_mb: float


def time_model(job: Job, images: bytes) -> Timing:
    """Load, call once, warm up, then time calls one by one.

    Raises:
        ResbenchError: see `open_session` and `infer`.
    """
    model = Path(job.model)
    start = time.perf_counter_ns()
    session = open_session(model, job.provider, job.threads)
    load_ms = _since(start)
    batches = cycle(np.frombuffer(images, np.uint8).reshape(-1, job.batch_size, 32, 32, 3))

    def call() -> float:
        feed = {"image": next(batches)}
        start = time.perf_counter_ns()
        session.run(["probabilities"], feed)
        return _since(start)

    try:
        first_ms = call()
        gc.collect()
        gc.disable()
        warmup_calls = warm_up(call)
        latency_ms = time_calls(call)
        output = session.run(["probabilities"], {"image": next(batches)})[0]
    except Exception as error:  # the runtime's exceptions share no narrower base
        raise ResbenchError(f"{model}: fails at batch size {job.batch_size} ({one_line(error)})") from error
    check_probabilities(output, job.batch_size, class_count(session), model)
    return Timing(os.getpid(), load_ms, first_ms, warmup_calls, latency_ms, peak_rss_mb())


def warm_up(call: Callable[[], float]) -> int:
    """Call until calls stop getting faster; returns how many that took.  `call` returns milliseconds."""
    start = time.monotonic()
    previous, calls = float("inf"), 0
    while True:
        stretch: list[float] = []
        while len(stretch) < WARMUP_STRETCH_CALLS or sum(stretch) < WARMUP_STRETCH_S * 1e3:
            stretch.append(call())
        calls += len(stretch)
        median = statistics.median(stretch)
        if median > previous * (1 - WARMUP_GAIN) or time.monotonic() - start > WARMUP_PATIENCE_S:
            return calls
        previous = median


def time_calls(call: Callable[[], float]) -> list[float]:
    """Milliseconds of each of at least CALLS calls and SECONDS seconds."""
    start = time.monotonic()
    samples: list[float] = []
    while len(samples) < CALLS or time.monotonic() - start < SECONDS:
        samples.append(call())
    return samples


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, in units of 10^6 bytes.

    Linux keeps `ru_maxrss` across exec, so there it would show the parent's memory where that was
    larger; VmHWM begins anew (proc(5)).
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _since(start_ns: int) -> float:
    return (time.perf_counter_ns() - start_ns) / 1e6


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    try:
        timing = time_model(job, sys.stdin.buffer.read())
    except ResbenchError as error:
        sys.exit(str(error))
    print(json.dumps(timing._asdict()))


if __name__ == "__main__":
    main()
