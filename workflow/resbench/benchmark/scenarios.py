"""MLPerf's scenarios on MLCommons LoadGen: its traffic, its clock, its verdict."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resbench.benchmark.host import describe_host
from resbench.benchmark.loadgen_worker import Job, Outcome
from resbench.benchmark.plan import identify_all
from resbench.benchmark.presets import SCENARIO_PRESETS, SMOKE, Size
from resbench.benchmark.process import run_fresh
from resbench.common.errors import ResbenchError
from resbench.common.files import atomic
from resbench.common.progress import Progress, say
from resbench.data.store import load_split
from resbench.runtime.providers import PROVIDERS
from resbench.runtime.sessions import check_provider

COLUMNS = [
    *("model", "variant", "seed", "precision", "provider", "threads", "scenario", "preset", "batch_size"),
    *("verdict", "reason", "rate_ips", "p50_ms", "p90_ms", "p99_ms", "p99_bound_ms", "loadgen", "host"),
]

# So many images that no cache holds them all; MLPerf asks the same of its image classifier.
IMAGES = 1024
# The rate is halved until it is kept, and the step above it then bisected: to 3 to 6 % of it.
HALVINGS = 12
BISECTIONS = 4
# A rate that only just held in a short trial may fail the long run; then a little less is tried.
RETREAT = 0.95
RETREATS = 4


def measure_scenarios(
    models: list[Path],
    providers: list[str],
    results: Path,
    *,
    data: Path,
    preset: str,
    threads: int,
    batch_size: int,
    bound_ms: float,
    options: dict[str, dict[str, str]] | None = None,
) -> None:
    """Run every model through SingleStream, Offline and Server, each in a fresh process; one row each, `COLUMNS`.

    Server's row is of the highest rate whose 99th percentile stays within `bound_ms`.  One session
    answers one image at a time there: batching is a server's own business.

    Args:
        models: .onnx files; a precision that does not suit a provider is left out there.
        data: .npz whose first images are sent.
        preset: smoke, seconds a run, or mlperf, the official lengths.
        batch_size: of Offline.
        options: of each provider, by ONNX Runtime's names.

    Raises:
        ResbenchError: a provider cannot be had, a model is bad, or a process fails.
    """
    import mlperf_loadgen  # noqa: F401  an extra: where it lacks, nothing is measured first

    for provider in providers:
        check_provider(provider, (options or {}).get(provider))
    identities = identify_all(models)
    images = load_split(data).images[:IMAGES].tobytes()
    pairs = [(p, model) for p in providers for model in models if PROVIDERS[p].supports(identities[model].precision)]
    if not pairs:
        raise ResbenchError(
            "none of the models' precisions is measured on these providers: int8 is for processors, fp16 for GPUs"
        )
    progress = Progress("scenarios")
    rows: list[list[Any]] = []
    for done, (provider, model) in enumerate(pairs):
        progress.update(done / len(pairs), str(model))
        job = Job(
            model=str(model),
            provider=provider,
            options=(options or {}).get(provider, {}),
            threads=threads,
            batch_size=batch_size,
            bound_ms=bound_ms,
        )
        identity, host = identities[model], describe_host(provider)["name"]
        for scenario, outcome in run_scenarios(job, images, SCENARIO_PRESETS[preset]).items():
            rows.append(
                [
                    *(model.with_suffix("").as_posix(), identity.variant, identity.seed, identity.precision, provider),
                    *(threads, scenario, preset, batch_size if scenario == "Offline" else 1),
                    *(outcome.verdict, outcome.reason),
                    *(f"{value:.6g}" for value in (outcome.rate_ips, outcome.p50_ms, outcome.p90_ms, outcome.p99_ms)),
                    *(bound_ms if scenario == "Server" else None, outcome.version, host),
                ]
            )
    progress.clear()
    with atomic(results) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
    valid = sum(row[COLUMNS.index("verdict")] == "VALID" for row in rows)
    say(f"{valid} of {len(rows)} runs are VALID by LoadGen")


def run_scenarios(job: Job, images: bytes, sizes: dict[str, Size]) -> dict[str, Outcome]:
    """The outcome of each scenario; of Server, at the rate that `search_rate` finds."""

    def run(scenario: str, size: Size, rate: float = 0.0) -> Outcome:
        sized = job._replace(scenario=scenario, seconds=size.seconds, queries=size.queries, rate=rate)
        return Outcome(**run_fresh("resbench.benchmark.loadgen_worker", sized._asdict(), images))

    single = run("SingleStream", sizes["SingleStream"])
    offline = run("Offline", sizes["Offline"])
    rate, server = search_rate(lambda rate: run("Server", SMOKE["Server"], rate), highest=1e3 / single.p50_ms)
    if server.verdict == "VALID" and sizes["Server"] != SMOKE["Server"]:
        server = confirm_rate(lambda rate: run("Server", sizes["Server"], rate), rate)
    return {"SingleStream": single, "Offline": offline, "Server": server}


def search_rate(trial: Callable[[float], Outcome], highest: float) -> tuple[float, Outcome]:
    """The highest rate below `highest` that is VALID, to 3 to 6 %, and its outcome.

    Where none is, the lowest that was tried, which tells why.
    """
    rate = highest
    for _ in range(HALVINGS):
        rate /= 2
        outcome = trial(rate)
        if outcome.verdict == "VALID":
            break
    else:
        return rate, outcome
    best, low, high = outcome, rate, 2 * rate
    for _ in range(BISECTIONS):
        rate = (low + high) / 2
        outcome = trial(rate)
        if outcome.verdict == "VALID":
            best, low = outcome, rate
        else:
            high = rate
    return low, best


def confirm_rate(trial: Callable[[float], Outcome], rate: float) -> Outcome:
    """A long run at `rate`, and at a little less while it is not VALID."""
    outcome = trial(rate)
    for retreat in range(1, RETREATS + 1):
        if outcome.verdict == "VALID":
            break
        outcome = trial(rate * RETREAT**retreat)
    return outcome
