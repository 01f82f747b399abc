"""Time one model at one setting, in a process that does nothing else.

Several sessions in one process share its memory, and their spinning threads compete for cores,
so `latency` starts this module again for each measurement: the job is JSON in the first argument,
images and expected outputs are raw bytes on stdin, the result is JSON on stdout.
"""

import gc
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resbench import IMAGE_SHAPE
from resbench.benchmark.conditions import disturbance, read_counters
from resbench.benchmark.process import serve_parent
from resbench.common.errors import ResbenchError, one_line
from resbench.runtime.backend import Session, load_backend
from resbench.runtime.providers import PROVIDERS
from resbench.runtime.sessions import (
    Probabilities,
    check_probabilities,
    class_count,
    open_session,
)

# Warm-up ends when this many groups of calls in a row were no faster than the fastest before:
# caches are full, the processor has left its idle state, a GPU library has chosen its algorithms.
WARMUP_GROUP_S = 0.1
WARMUP_PATIENCE = 2
WARMUP_GAIN = 0.05
WARMUP_LIMIT_S = 10.0


class Job(NamedTuple):
    """What to time.

    On stdin are `inputs` batches of images, uint8 (inputs, batch_size, 32, 32, 3), which calls use in turn, and then,
    where they are known, their probabilities, float32 (inputs, batch_size, C).

    Attributes:
        model: Path of the .onnx file.
        provider: A name in `PROVIDERS`.
        options: Options of the provider.
        tolerance: Largest accepted difference of a probability.
        threads: Threads that one call may use.
        batch_size: Images in one call.
        inputs: Number of different batches.
        calls: The fewest calls to time.
        seconds: The shortest time to time calls for, s.
    """

    model: str
    provider: str
    options: dict[str, str]
    tolerance: float
    threads: int
    batch_size: int
    inputs: int
    calls: int
    seconds: float


class Timing(NamedTuple):
    """What one process measured.

    Attributes:
        pid: Number of the process.
        time_utc: When it began.
        load_ms: Opening the session, without importing the runtime.
        first_ms: First inference.
        warmup_calls: Calls until warm-up ended.
        warmed_up: Whether it ended by itself, and not by its time limit.
        latency_ms: Duration of each timed call.
        peak_rss_mb: Largest memory of the process, 10^6 bytes.
        nodes: Nodes of the graph on each provider, by the runtime's names.
        options: Options of the provider in effect.
        steal, others, throttled: See `Disturbance`; during the timed calls.
    """

    pid: int
    time_utc: str
    load_ms: float
    first_ms: float
    warmup_calls: int
    warmed_up: bool
    latency_ms: list[float]
    peak_rss_mb: float
    nodes: dict[str, int]
    options: dict[str, str]
    steal: float
    others: float
    throttled: bool


class _Caller:
    """A model that is called with batches in turn; keeps the last output, which is checked outside of the timing."""

    def __init__(self, session: Session, job: Job, data: bytes) -> None:
        pixels = job.inputs * job.batch_size * math.prod(IMAGE_SHAPE)
        known = np.frombuffer(data[pixels:], np.float32)
        self._session = session
        self._job = job
        self._images = np.frombuffer(data[:pixels], np.uint8).reshape(job.inputs, job.batch_size, *IMAGE_SHAPE)
        self._expected = known.reshape(job.inputs, job.batch_size, -1) if known.size else None
        self._turns = cycle(range(job.inputs))
        self._last: tuple[int, Any] = (0, None)

    def call(self) -> float:
        """Call the model once and return the milliseconds that it took."""
        turn = next(self._turns)
        batch = self._images[turn]
        start = time.perf_counter_ns()
        output = self._session.run(batch)
        elapsed = _since(start)
        self._last = (turn, output)
        return elapsed

    def check(self) -> None:
        """Refuse a last output that is not probabilities, or not the expected ones."""
        turn, output = self._last
        model = Path(self._job.model)
        outputs = check_probabilities(output, self._job.batch_size, class_count(self._session), model)
        if self._expected is not None:
            check_outputs(outputs, self._expected[turn], self._job.tolerance, model)


def time_model(job: Job, data: bytes) -> Timing:
    """Load a model, call it once, check the output, warm up, then time calls one by one.

    A call is what a caller waits for: from an array in the computer's memory to an array there. On a GPU that includes
    both copies.

    Args:
        job: What to time.
        data: Images and expected probabilities; see `Job`.

    Returns:
        The timing.

    Raises:
        ResbenchError: See `open_session`; the model fails, or its outputs are not the expected ones.
    """
    model = Path(job.model)
    time_utc = datetime.now(UTC).isoformat(timespec="seconds")
    load_backend(PROVIDERS[job.provider])  # importing the runtime does not belong to loading a model
    start = time.perf_counter_ns()
    session = open_session(model, job.provider, job.threads, job.options)
    load_ms = _since(start)
    caller = _Caller(session, job, data)
    try:
        first_ms = caller.call()
        caller.check()
        gc.collect()
        gc.disable()
        warmup_calls, warmed_up = warm_up(caller.call)
        before = read_counters()
        latency_ms = time_calls(caller.call, job.calls, job.seconds)
        seen = disturbance(before, read_counters())
        caller.check()
    except ResbenchError:
        raise
    except Exception as error:  # the runtimes' exceptions share no narrower base
        raise ResbenchError(f"{model}: fails at batch size {job.batch_size} ({one_line(error)})") from error
    return Timing(
        pid=os.getpid(),
        time_utc=time_utc,
        load_ms=load_ms,
        first_ms=first_ms,
        warmup_calls=warmup_calls,
        warmed_up=warmed_up,
        latency_ms=latency_ms,
        peak_rss_mb=peak_rss_mb(),
        nodes=session.node_placement(),
        options=session.options(),
        steal=seen.steal,
        others=seen.others,
        throttled=seen.throttled,
    )


def check_outputs(outputs: Probabilities, expected: Probabilities, tolerance: float, model: Path) -> None:
    """Refuse outputs that differ from the stored predictions.

    Args:
        outputs: Probabilities, (N, C).
        expected: Stored probabilities, (N, C).
        tolerance: Largest accepted difference.
        model: The model's file, for messages.

    Raises:
        ResbenchError: They differ by more.
    """
    if outputs.shape != expected.shape:
        raise ResbenchError(f"{model}: its predictions are of {expected.shape[-1]} classes; evaluate it again")
    worst = float(np.abs(outputs - expected).max())
    if worst > tolerance:
        raise ResbenchError(
            f"{model}: not timed, since its outputs differ by {worst:.2g} from its predictions; evaluate it again"
        )


def warm_up(call: Callable[[], float]) -> tuple[int, bool]:
    """Call until calls have stopped getting faster.

    The rule considers only speed-ups: a machine that slows down for a while does not prolong the warm-up. The median of
    some calls counts as faster when it is WARMUP_GAIN below the fastest so far.

    Args:
        call: Makes one call and returns its duration in ms.

    Returns:
        How many calls that took, and whether it ended before WARMUP_LIMIT_S.
    """
    start = time.monotonic()
    best, calls, idle = float("inf"), 0, 0
    while idle < WARMUP_PATIENCE:
        if time.monotonic() - start > WARMUP_LIMIT_S:
            return calls, False
        group: list[float] = []
        while sum(group) < WARMUP_GROUP_S * 1e3:
            group.append(call())
        calls += len(group)
        median = statistics.median(group)
        idle = 0 if median < best * (1 - WARMUP_GAIN) else idle + 1
        best = min(best, median)
    return calls, True


def time_calls(call: Callable[[], float], calls: int, seconds: float) -> list[float]:
    """Time calls.

    Args:
        call: Makes one call and returns its duration in ms.
        calls: The fewest calls.
        seconds: The shortest time, s.

    Returns:
        The duration of each call in ms.
    """
    start = time.monotonic()
    samples: list[float] = []
    while len(samples) < calls or time.monotonic() - start < seconds:
        samples.append(call())
    return samples


def peak_rss_mb() -> float:
    """Return the largest resident memory of this process so far.

    Linux keeps `ru_maxrss` across exec, where it would show the parent's memory if that was larger; VmHWM starts again
    (proc(5)).

    Returns:
        Memory in 10^6 bytes.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _since(start_ns: int) -> float:
    return (time.perf_counter_ns() - start_ns) / 1e6


if __name__ == "__main__":
    serve_parent(Job, time_model)
