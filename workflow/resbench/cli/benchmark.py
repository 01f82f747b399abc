"""Sub-commands that run models: predictions, latency, operators, scenarios."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resbench.benchmark.presets import LATENCY_PRESETS, SCENARIO_PRESETS
from resbench.cli.options import Data, ProviderName, ProviderOptions, Threads, numbers, one_of, provider_options
from resbench.common.files import require_writable
from resbench.runtime.providers import BASE_PROVIDER, PROVIDERS

if TYPE_CHECKING:
    from resbench.benchmark.plan import LatencyRequest

BatchSizes = Annotated[str, typer.Option(help="Images in one call, comma-separated.")]
ThreadCounts = Annotated[str, typer.Option(help="Threads that one call may use, comma-separated.")]
LatencyPreset = Annotated[str, one_of(LATENCY_PRESETS, "quick: about a minute for each model.")]
Rounds = Annotated[
    int | None, typer.Option(min=1, help="Fresh processes for each model and setting.  Default: the preset's number.")
]


def evaluate(
    model: Annotated[Path, typer.Argument(help="An .onnx that `resbench export` wrote.")],
    data: Annotated[
        list[Path], typer.Option("--data", help="An .npz of images that an earlier stage wrote; once for each.")
    ],
    provider: ProviderName,
    predictions: Annotated[
        list[Path], typer.Option(help="Class probabilities of every image to write, .npz; once for each of --data.")
    ],
    threads: Threads = None,
    provider_option: ProviderOptions = None,
) -> None:
    """Run a model over all images on a provider and write its predictions."""
    from resbench.benchmark.predictions import evaluate_test_sets

    require_writable(*predictions)
    if len(data) != len(predictions):
        raise typer.BadParameter(f"{len(data)} of --data and {len(predictions)} of --predictions; give one of each")
    options = provider_options(provider_option, [provider]).get(provider)
    pairs = list(zip(data, predictions, strict=True))
    evaluate_test_sets(model, pairs, provider, threads=threads, options=options)


def latency(
    models: Annotated[list[Path], typer.Argument(help="The .onnx files to compare.")],
    provider: ProviderName,
    samples: Annotated[Path, typer.Option(help="Every timed call to write, .csv.")],
    host: Annotated[Path, typer.Option(help="Description of the host and of the timings to write, .json.")],
    data: Annotated[Path | None, typer.Option("--data", help="Images to time on.  Default: random pixels.")] = None,
    predictions: Annotated[
        list[Path] | None, typer.Option(help="What `evaluate` wrote, to check outputs against; once for each model.")
    ] = None,
    batch_sizes: BatchSizes = "1,32",
    threads: ThreadCounts = "1",
    preset: LatencyPreset = "quick",
    rounds: Rounds = None,
    provider_option: ProviderOptions = None,
    checkpoints: Annotated[Path | None, typer.Option(help="Folder for finished rounds, to continue from.")] = None,
    note: Annotated[list[str] | None, typer.Option(help="A line to keep in the description of the host.")] = None,
) -> None:
    """Time models under the same conditions: in interleaved rounds, each measurement in a fresh process."""
    from resbench.benchmark.latency import measure_latency

    require_writable(samples, host)
    request = _request(provider, batch_sizes, threads, preset, rounds, provider_option)
    measure_latency(
        models,
        request,
        samples,
        host,
        data=data,
        predictions=predictions or [],
        checkpoints=checkpoints,
        notes=note or [],
    )


def measure(
    models: Annotated[
        list[Path],
        typer.Argument(help="Bundles, results folders (each variant's first seed) or .onnx files."),
    ],
    output: Annotated[Path, typer.Option(help="Folder to write, for `benchmark.measured_elsewhere` or `collate`.")],
    provider: ProviderName = BASE_PROVIDER.name,
    batch_sizes: BatchSizes = "1,32",
    threads: ThreadCounts = "1",
    preset: LatencyPreset = "quick",
    rounds: Rounds = None,
    provider_option: ProviderOptions = None,
) -> None:
    """Measure exported models on this machine: check their outputs, time them, write a folder for the report."""
    from resbench.benchmark.measure import measure_models

    measure_models(models, output, _request(provider, batch_sizes, threads, preset, rounds, provider_option))


def profile(
    models: Annotated[list[Path], typer.Argument(help="The .onnx files to profile.")],
    operators: Annotated[Path, typer.Option(help="Share of the time of each operator and layer, to write, .csv.")],
    data: Annotated[Path | None, typer.Option("--data", help="Images to use.  Default: random pixels.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in one call.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads that a call may use.")] = 1,
) -> None:
    """Profile models with ONNX Runtime: the share of each operator in the time, and its speed relative to the peak."""
    from resbench.benchmark.profile import profile_models

    require_writable(operators)
    profile_models(models, operators, data=data, batch_size=batch_size, threads=threads)


def scenarios(
    models: Annotated[list[Path], typer.Argument(help="The .onnx files to run.")],
    data: Data,
    provider: Annotated[list[str], one_of(PROVIDERS, "Execution provider; once for each.")],
    results: Annotated[Path, typer.Option(help="LoadGen's figures and verdicts to write, .csv.")],
    preset: Annotated[str, one_of(SCENARIO_PRESETS, "smoke: seconds; mlperf: the official lengths.")] = "smoke",
    threads: Annotated[int, typer.Option(min=1, help="Threads that a call may use.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in one call in Offline.")] = 32,
    p99_ms: Annotated[float, typer.Option(min=0.001, help="Largest 99th percentile in Server, in ms.")] = 100.0,
    provider_option: ProviderOptions = None,
) -> None:
    """Run MLPerf's SingleStream, Offline and Server on MLCommons LoadGen."""
    from resbench.benchmark.scenarios import measure_scenarios

    require_writable(results)
    measure_scenarios(
        models,
        provider,
        results,
        data=data,
        preset=preset,
        threads=threads,
        batch_size=batch_size,
        bound_ms=p99_ms,
        options=provider_options(provider_option, provider),
    )


def _request(
    provider: str,
    batch_sizes: str,
    threads: str,
    preset: str,
    rounds: int | None,
    options: list[str] | None,
) -> "LatencyRequest":
    from resbench.benchmark.plan import LatencyRequest

    return LatencyRequest(
        provider,
        batch_sizes=numbers(batch_sizes, "--batch-sizes"),
        threads=numbers(threads, "--threads"),
        preset=preset,
        rounds=rounds,
        options=provider_options(options, [provider]).get(provider, {}),
    )
