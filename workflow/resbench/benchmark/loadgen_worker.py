"""Run one of MLPerf's scenarios on one model under MLCommons LoadGen, in a process that does nothing else.

LoadGen issues the queries, keeps the clock and gives the verdict; this module responds to them.  The
job is JSON in the first argument, the images are raw bytes on stdin, the result is JSON on the last
line of stdout.

LoadGen is imported only where it runs: the page reads the results without it.
"""

import json
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.benchmark.latency_worker import warm_up
from resbench.benchmark.process import serve_parent
from resbench.common.errors import ResbenchError, one_line
from resbench.runtime.backend import Session
from resbench.runtime.sessions import infer, open_session

# LoadGen plans the queries before it starts, by the expected speed; too few would end the run early.
HEADROOM = 2.0


class Job(NamedTuple):
    """What to run.

    The images on stdin are uint8 (N, 32, 32, 3).

    Attributes:
        model: Path of the .onnx file.
        provider: A name in `PROVIDERS`.
        options: Options of the provider.
        threads: Threads that one call may use.
        batch_size: Images in one call in Offline; the other scenarios send single images.
        bound_ms: Largest 99th percentile that Server may have.
        scenario: `SingleStream`, `Offline` or `Server`.
        seconds: The shortest run, s.
        queries: The fewest queries.
        rate: Queries per second in Server.
    """

    model: str
    provider: str
    options: dict[str, str]
    threads: int
    batch_size: int
    bound_ms: float
    scenario: str = "SingleStream"
    seconds: float = 0.0
    queries: int = 1
    rate: float = 0.0


class Outcome(NamedTuple):
    """LoadGen's result, with latencies as it counts them.

    A latency runs from the time that a query was scheduled for; in Offline, where all are scheduled at once, it is the
    time from the beginning of the run until an image was done.

    Attributes:
        verdict: `VALID` or `INVALID`.
        reason: Why it is INVALID.
        rate_ips: Images per second: those completed or, in Server, those scheduled.
        p50_ms, p90_ms, p99_ms: Percentiles of the latency.
        version: LoadGen's version.
    """

    verdict: str
    reason: str
    rate_ips: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    version: str


RATE_KEYS = {
    "SingleStream": "result_qps_with_loadgen_overhead",
    "Offline": "result_samples_per_second",
    "Server": "result_scheduled_samples_per_sec",
}


class Responder:
    """A model that responds to LoadGen's queries.

    It does so in LoadGen's thread or, for Server, from a queue in a thread of its own, since LoadGen must be able to
    issue queries by its schedule at the same time.
    """

    def __init__(self, session: Session, images: NDArray[np.uint8], job: Job) -> None:
        self.session = session
        self.images = images
        self.batch_size = job.batch_size if job.scenario == "Offline" else 1
        self.waiting: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
        self.failure: Exception | None = None
        self.issue: Callable[[list[Any]], None] = self.respond
        if job.scenario == "Server":
            threading.Thread(target=self._serve, daemon=True).start()
            self.issue = self.waiting.put

    def respond(self, samples: list[Any]) -> None:
        """Run the samples in batches; LoadGen waits for every sample, so a failure is kept and responded to as well.

        Args:
            samples: LoadGen's samples.
        """
        import mlperf_loadgen as loadgen

        for start in range(0, len(samples), self.batch_size):
            part = samples[start : start + self.batch_size]
            try:
                self.session.run(self.images[[sample.index for sample in part]])
            except Exception as error:  # the runtime's exceptions share no narrower base
                self.failure = error
            loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0) for sample in part])

    def _serve(self) -> None:
        while True:
            self.respond(self.waiting.get())


def run_scenario(job: Job, data: bytes) -> Outcome:
    """Open the model, warm it up and run the scenario.

    Args:
        job: What to run.
        data: Images, uint8 (N, 32, 32, 3).

    Returns:
        The outcome.

    Raises:
        ResbenchError: See `open_session`; or the model fails.
    """
    import mlperf_loadgen as loadgen

    model = Path(job.model)
    session = open_session(model, job.provider, job.threads, job.options)
    images = np.frombuffer(data, np.uint8).reshape(-1, 32, 32, 3)
    responder = Responder(session, images, job)
    batch = images[np.arange(responder.batch_size) % len(images)]
    infer(session, model, batch)
    shortest = float("inf")

    def call() -> float:
        nonlocal shortest
        start = time.perf_counter_ns()
        session.run(batch)
        elapsed = (time.perf_counter_ns() - start) / 1e6
        shortest = min(shortest, elapsed)
        return elapsed

    warm_up(call)
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, job.scenario)
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = round(job.seconds * 1e3)
    settings.min_query_count = job.queries
    settings.single_stream_expected_latency_ns = round(shortest / HEADROOM * 1e6)
    settings.offline_expected_qps = HEADROOM * len(batch) / shortest * 1e3
    settings.server_target_qps = job.rate
    settings.server_target_latency_ns = round(job.bound_ms * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        output = loadgen.LogOutputSettings()
        output.outdir = folder
        output.copy_summary_to_stdout = False
        log = loadgen.LogSettings()
        log.log_output = output
        log.enable_trace = False
        sut = loadgen.ConstructSUT(responder.issue, lambda: None)
        library = loadgen.ConstructQSL(len(images), len(images), lambda _: None, lambda _: None)
        loadgen.StartTestWithLogSettings(sut, library, settings, log)
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(sut)
        details = (Path(folder) / "mlperf_log_detail.txt").read_text()
    if responder.failure:
        raise ResbenchError(f"{model}: fails in {job.scenario} ({one_line(responder.failure)})") from responder.failure
    return read_outcome(details, job.scenario)


def read_outcome(details: str, scenario: str) -> Outcome:
    """Read LoadGen's result from its detailed log, in which each line is one key and its value as JSON.

    Args:
        details: The log.
        scenario: Name of the scenario.

    Returns:
        The outcome.
    """
    lines = (line.removeprefix(":::MLLOG ") for line in details.splitlines() if line.startswith(":::MLLOG "))
    values = {entry["key"]: entry["value"] for entry in map(json.loads, lines)}
    reasons = [
        values.get("result_invalid_reason", ""),
        "" if values["early_stopping_met"] else values["early_stopping_result"],
    ]
    valid = values["result_validity"] == "VALID"
    return Outcome(
        verdict=values["result_validity"],
        reason="" if valid else " ".join(part for reason in reasons for part in reason.split()),
        rate_ips=values[RATE_KEYS[scenario]],
        p50_ms=values["result_50.00_percentile_latency_ns"] / 1e6,
        p90_ms=values["result_90.00_percentile_latency_ns"] / 1e6,
        p99_ms=values["result_99.00_percentile_latency_ns"] / 1e6,
        version=values["loadgen_version"].split()[0],
    )


if __name__ == "__main__":
    serve_parent(Job, run_scenario)
