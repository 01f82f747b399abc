"""MLPerf's scenarios on MLCommons LoadGen: its traffic, its clock, its verdict."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resbench.benchmark.columns import SCENARIO_COLUMNS
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

# Too many for any cache; MLPerf requires the same number for its image classifier.
IMAGES = 1024
# The rate is halved until it is VALID; then the last step is bisected, down to 3 to 6 % of the rate.
HALVINGS = 12
BISECTIONS = 4
# A rate that was just VALID in a short trial may fail in the long run; then slightly lower ones are tried.
REDUCTION = 0.95
REDUCTIONS = 4


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
    """Run every model through SingleStream, Offline and Server, each in a fresh process, and write one row for each.

    Server's row is of the highest rate whose 99th percentile stays within `bound_ms`. One session takes one image at a
    time there: batching belongs to a server.

    Args:
        models: .onnx files; those in a precision that a provider is not measured in are left out there.
        providers: Names in `PROVIDERS`.
        results: Table to write, .csv, with `SCENARIO_COLUMNS`.
        data: .npz file whose first images are sent.
        preset: `smoke`, seconds for each run, or `mlperf`, the official lengths.
        threads: Threads that one call may use.
        batch_size: Images in one call in Offline.
        bound_ms: Largest 99th percentile in Server.
        options: Options of each provider, by the runtime's names.

    Raises:
        ResbenchError: A provider is not available, a model is bad, or a process fails.
    """
    import mlperf_loadgen  # noqa: F401  an extra: where it is missing, fail before measuring

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
        job = Job(
            model=str(model),
            provider=provider,
            options=(options or {}).get(provider, {}),
            threads=threads,
            batch_size=batch_size,
            bound_ms=bound_ms,
        )
        # As in report.csv, with which the page joins these rows.
        identity, host = identities[model], describe_host(provider)["environment"]

        def show(share: float, done: int = done, model: Path = model) -> None:
            progress.update((done + share) / len(pairs), str(model))

        for scenario, outcome in run_scenarios(job, images, SCENARIO_PRESETS[preset], show).items():
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
        csv.writer(stream, lineterminator="\n").writerows([SCENARIO_COLUMNS, *rows])
    valid = sum(row[SCENARIO_COLUMNS.index("verdict")] == "VALID" for row in rows)
    say(f"{valid} of {len(rows)} runs are VALID by LoadGen")


def run_scenarios(job: Job, images: bytes, sizes: dict[str, Size], show: Callable[[float], None]) -> dict[str, Outcome]:
    """Run a model through all scenarios; Server at the rate that `search_rate` finds.

    Args:
        job: The model and where it runs.
        images: uint8 (N, 32, 32, 3), as bytes.
        sizes: Smallest size of each run.
        show: Called before each scenario with the fraction of them that is done.

    Returns:
        The outcome of each scenario.
    """

    def run(scenario: str, size: Size, rate: float = 0.0) -> Outcome:
        sized = job._replace(scenario=scenario, seconds=size.seconds, queries=size.queries, rate=rate)
        return Outcome(**run_fresh("resbench.benchmark.loadgen_worker", sized._asdict(), images))

    show(0)
    single = run("SingleStream", sizes["SingleStream"])
    show(1 / 3)
    offline = run("Offline", sizes["Offline"])
    show(2 / 3)
    rate, server = search_rate(lambda rate: run("Server", SMOKE["Server"], rate), highest=1e3 / single.p50_ms)
    if server.verdict == "VALID" and sizes["Server"] != SMOKE["Server"]:
        server = confirm_rate(lambda rate: run("Server", sizes["Server"], rate), rate)
    return {"SingleStream": single, "Offline": offline, "Server": server}


def search_rate(trial: Callable[[float], Outcome], highest: float) -> tuple[float, Outcome]:
    """Search the highest rate that is VALID, to 3 to 6 %.

    Args:
        trial: Runs Server at a rate, in queries per second.
        highest: Upper limit of the rate.

    Returns:
        The rate and its outcome; where none is VALID, the lowest that was tried, whose outcome shows why.
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
    """Make a long run at a rate, and at slightly lower ones while it is not VALID.

    Args:
        trial: Runs Server at a rate, in queries per second.
        rate: The rate to begin with.

    Returns:
        The outcome of the last run.
    """
    outcome = trial(rate)
    for reduction in range(1, REDUCTIONS + 1):
        if outcome.verdict == "VALID":
            break
        outcome = trial(rate * REDUCTION**reduction)
    return outcome
