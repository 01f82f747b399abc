"""The command line: one sub-command a stage.

Only the stages that train or export import TensorFlow, which costs seconds and a gigabyte.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from resbench.benchmark.presets import LATENCY_PRESETS, SCENARIO_PRESETS
from resbench.common.errors import ResbenchError
from resbench.common.progress import say
from resbench.data.datasets import DATASETS, archive_of
from resbench.export.precisions import CALIBRATION_METHODS, SMALLER
from resbench.runtime.providers import BASE_PROVIDER, PROVIDERS
from resbench.training.protocols import PROTOCOLS
from resbench.training.settings import DEVICES, POLICIES

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _one_of(names: Iterable[str], help: str) -> Any:
    """Return an option that takes one of these names, such as a registry's keys."""
    known = list(names)

    def check(value: str) -> str:
        if value not in known:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(known)}.")
        return value

    return typer.Option(parser=check, metavar=f"<{'|'.join(known)}>", help=help)


ProviderName = Annotated[str, _one_of(PROVIDERS, "Execution provider; used as asked for, or an error.")]
ProviderOptions = Annotated[
    list[str] | None, typer.Option(help="One of the runtime's, as PROVIDER.NAME=VALUE; once for each.")
]
PROTOCOL_HELP = "; ".join(f"{record.name}: {record.summary}" for record in PROTOCOLS.values()) + "."
Measured = Annotated[
    list[Path] | None, typer.Option(help="What `measure --output` wrote on another machine; once for each.")
]
Robustness = Annotated[
    Path | None, typer.Option(help="What `robustness --results` wrote.  Default: there are no further test sets.")
]
Data = Annotated[Path, typer.Option("--data", help="An .npz written by `resbench convert`.")]

# The optional dependency (pyproject.toml) that brings a module which the base install lacks.
EXTRAS = {
    "keras": "train",
    "mlperf_loadgen": "scenarios",
    "onnxruntime": "cpu",
    "onnxslim": "train",
    "openvino": "openvino",
    "sklearn": "train",
    "tensorflow": "train",
    "tf2onnx": "train",
}


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; before the command.")] = False,
) -> None:
    """Train, export and measure small residual networks on CIFAR-10-sized images.

    The stages, in order: check, download, convert, train, export, quantize, evaluate, latency, scenarios, collate,
    page, bundle.  Each reads and writes files; `snakemake --cores 4` runs them
    all, scenarios where the configuration asks for them.
    """


@app.command()
def digits(dest: Annotated[Path, typer.Argument(help="Archive to write, .tar.gz.")]) -> None:
    """Write scikit-learn's handwritten digits as an archive in CIFAR-10's layout (no network needed)."""
    from resbench.data.digits import write_digits_archive

    write_digits_archive(dest)


@app.command()
def download(
    dest: Annotated[Path, typer.Argument(help="Where the archive goes, once its hash matched.")],
    dataset: Annotated[str, _one_of(DATASETS, "Whose sources and hash to take.")] = "cifar10",
    sha256: Annotated[
        str, typer.Option(help="Expected SHA-256 in hex; auto: the dataset's; none: accept any file (warns).")
    ] = "auto",
    source: Annotated[
        list[str] | None,
        typer.Option(help="URL, file:// URL or path, tried in the order given.  Default: the dataset's."),
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Write here, as JSON, which source delivered.")] = None,
    min_rate: Annotated[float, typer.Option(help="Leave a source slower than this, in kB/s.")] = 200.0,
    window: Annotated[float, typer.Option(help="Seconds over which the rate is measured.")] = 20.0,
) -> None:
    """Fetch the archive from the first source that delivers it, resuming what an earlier run began."""
    from resbench.common.files import write_json
    from resbench.data.sources import download_archive

    sources, expected = archive_of(dataset, source, None if sha256.lower() == "none" else sha256)
    result = download_archive(dest, sources, expected, min_rate_kb=min_rate, window_s=window)
    if record:
        write_json(record, result)


@app.command()
def convert(
    archive: Annotated[Path, typer.Argument(help="CIFAR-10's layout, Python or binary, .tar.gz.")],
    train: Annotated[Path, typer.Option(help="Training images to write, .npz.")],
    test: Annotated[Path, typer.Option(help="Test images to write, .npz.")],
    record: Annotated[Path | None, typer.Option(help="What `download --record` wrote, for the summary.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Write counts, channel statistics and hash here, .json.")] = None,
    samples: Annotated[Path | None, typer.Option(help="Write a labelled contact sheet here, .png.")] = None,
) -> None:
    """Read an untrusted archive into two array files; nothing in it is unpacked or executed."""
    from resbench.common.memory import keep_freed_memory

    keep_freed_memory()
    from resbench.data.convert import convert_archive

    convert_archive(archive, train, test, record=record, summary=summary, samples=samples)


@app.command()
def extraset(
    path: Annotated[
        Path, typer.Argument(help="A folder of pictures, an archive, or images as .npy with labels beside them.")
    ],
    like: Annotated[Path, typer.Option(help="Test images that `convert` wrote, .npz: their classes count.")],
    output: Annotated[Path, typer.Option(help="Test images to write, .npz.")],
    labels: Annotated[
        Path | None, typer.Option(help="Labels of a .npy file.  Default: the file beside it that is called so.")
    ] = None,
) -> None:
    """Read a further test set, as untrusted as an archive, into an array file."""
    from resbench.data.test_sets import write_test_set

    write_test_set(path, like, output, labels)


@app.command()
def corrupt(
    data: Data,
    output: Annotated[
        list[Path], typer.Option(help="…/CORRUPTION-SEVERITY.npz to write, such as contrast-3.npz; once for each.")
    ],
) -> None:
    """Make corrupted copies of test images, as Hendrycks & Dietterich (2019) define them."""
    from resbench.data.corruptions import corrupt_split
    from resbench.data.store import load_split, save_split

    images = load_split(data)
    for path in output:
        save_split(path, corrupt_split(images, path.stem))


@app.command()
def check(
    variant: Annotated[str, typer.Argument(help="A name that `resbench variants` lists.")],
    precision: Annotated[
        list[str] | None, _one_of(SMALLER, "Another precision that will be made; once for each.  Default: all.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Write what was found here, .json.")] = None,
) -> None:
    """Take a variant's untrained network through all that follows its training, and refuse what would fail there."""
    from resbench.training.devices import claim_device

    with claim_device("cpu", 1):
        from resbench.export.check import check_variant

        check_variant(variant, SMALLER if precision is None else precision, figures)


@app.command()
def train(
    variant: Annotated[str, typer.Argument(help="A name that `resbench variants` lists.")],
    data: Data,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Initial weights, order and augmentation derive from it.")
    ],
    model: Annotated[Path, typer.Option(help="Model to write, .keras.")],
    history: Annotated[Path, typer.Option(help="One row an epoch, .csv.")],
    test: Annotated[Path | None, typer.Option(help="Test images, measured once, after the last epoch.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: the protocol's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Default: the protocol's.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N training images.")] = None,
    protocol: Annotated[str, _one_of(PROTOCOLS, PROTOCOL_HELP)] = "notebook",
    validation: Annotated[int, typer.Option(min=0, help="Hold out the last N training images.")] = 0,
    device: Annotated[str, _one_of(DEVICES, "auto: the GPU where there is one.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.  Default: all cores.")] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder to save in after each epoch and resume from.")
    ] = None,
    xla: Annotated[
        bool | None,
        typer.Option(help="Compile with XLA: faster on a GPU, not bit for bit the same.  Default: there only."),
    ] = None,
    mixed_precision: Annotated[
        str | None,
        _one_of(POLICIES, "Arithmetic, with float32 weights.  Default: float16 on the GPU, none on the CPU."),
    ] = None,
    checked: Annotated[
        Path | None, typer.Option(help="What `check --figures` wrote.  Default: the variant is checked first.")
    ] = None,
) -> None:
    """Fit one variant from one random seed."""
    from resbench.training.devices import claim_device

    _require_check(variant, checked)
    with claim_device(device, threads):
        from resbench.training.job import Job, run_job

        job = Job(
            variant=variant,
            protocol=protocol,
            seed=seed,
            epochs=epochs,
            batch_size=batch_size,
            limit=limit,
            validation=validation,
            xla=xla,
            mixed_precision=mixed_precision,
        )
        run_job(job, data, model, history, test_path=test, checkpoints_folder=checkpoints)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="Model that `resbench train` wrote, .keras.")],
    data: Data,
    onnx: Annotated[Path, typer.Option(help="Graph to write, .onnx.")],
    parity: Annotated[Path, typer.Option(help="Figures of the comparison to write, .json.")],
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.  Default: all cores.")] = None,
) -> None:
    """Convert a model to ONNX; refused unless both agree on every image of --data."""
    from resbench.training.devices import claim_device

    with claim_device("cpu", threads):  # float32 arithmetic as ONNX Runtime's CPU provider does it
        from resbench.export.onnx import export_model

        export_model(model, data, onnx, parity, threads=threads)


@app.command()
def quantize(
    model: Annotated[Path, typer.Argument(help="The fp32 .onnx that `resbench export` wrote.")],
    data: Annotated[Path, typer.Option("--data", help="The .npz that the model was trained on.")],
    precision: Annotated[str, _one_of(SMALLER, "int8 for CPUs, fp16 for GPUs.")],
    onnx: Annotated[Path, typer.Option(help="Model to write, .onnx.")],
    images: Annotated[int, typer.Option(min=1, help="int8: training images to calibrate on.")] = 512,
    method: Annotated[str, _one_of(CALIBRATION_METHODS, "int8: how a range is chosen.")] = "minmax",
    seed: Annotated[int, typer.Option(min=0, help="int8: of the choice of images.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Write an exported model in int8 or fp16."""
    from resbench.export.quantize import quantize_model

    quantize_model(model, data, precision, onnx, images=images, method=method, seed=seed, threads=threads)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="An .onnx that `resbench export` wrote.")],
    data: Annotated[
        list[Path], typer.Option("--data", help="An .npz of images that an earlier stage wrote; once for each.")
    ],
    provider: ProviderName,
    predictions: Annotated[
        list[Path], typer.Option(help="Class probabilities of every image, .npz; once for each of --data.")
    ],
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.  Default: all cores.")] = None,
    provider_option: ProviderOptions = None,
) -> None:
    """Run a model over all images with ONNX Runtime and keep its predictions."""
    from resbench.benchmark.predictions import evaluate_test_sets

    if len(data) != len(predictions):
        raise typer.BadParameter(f"{len(data)} of --data and {len(predictions)} of --predictions: one of each")
    options = _provider_options(provider_option).get(provider)
    pairs = list(zip(data, predictions, strict=True))
    evaluate_test_sets(model, pairs, provider, threads=threads, options=options)


@app.command()
def latency(
    models: Annotated[list[Path], typer.Argument(help="The .onnx files to compare.")],
    provider: ProviderName,
    samples: Annotated[Path, typer.Option(help="Every timed call, .csv.")],
    host: Annotated[Path, typer.Option(help="What machine and software this was, and how steady, .json.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Real images to time on.  Default: random pixels.")
    ] = None,
    predictions: Annotated[
        list[Path] | None, typer.Option(help="What `evaluate` wrote, to check answers against; once for each model.")
    ] = None,
    batch_sizes: Annotated[str, typer.Option(help="Comma-separated.")] = "1,32",
    threads: Annotated[str, typer.Option(help="Comma-separated intra-op thread counts.")] = "1",
    preset: Annotated[str, _one_of(LATENCY_PRESETS, "quick: about a minute a model.")] = "quick",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Fresh processes for each model and setting.  Default: the preset's.")
    ] = None,
    provider_option: ProviderOptions = None,
    checkpoints: Annotated[Path | None, typer.Option(help="Folder to keep finished rounds in and go on from.")] = None,
    note: Annotated[list[str] | None, typer.Option(help="A line to keep with the host.")] = None,
) -> None:
    """Time all models in one table under the same conditions: interleaved, a fresh process each."""
    from resbench.benchmark.latency import measure_latency

    measure_latency(
        models,
        provider,
        samples,
        host,
        data=data,
        batch_sizes=_numbers(batch_sizes, "--batch-sizes"),
        threads=_numbers(threads, "--threads"),
        preset=preset,
        rounds=rounds,
        predictions=predictions,
        options=_provider_options(provider_option).get(provider),
        checkpoints=checkpoints,
        notes=note,
    )


@app.command()
def measure(
    models: Annotated[
        list[Path],
        typer.Argument(help="Bundles, results folders (each variant's first seed) or .onnx files."),
    ],
    output: Annotated[Path, typer.Option(help="Folder to write, for `benchmark.measured_elsewhere` or `collate`.")],
    provider: ProviderName = BASE_PROVIDER.name,
    batch_sizes: Annotated[str, typer.Option(help="Comma-separated.")] = "1,32",
    threads: Annotated[str, typer.Option(help="Comma-separated counts of threads that a call may use.")] = "1",
    preset: Annotated[str, _one_of(LATENCY_PRESETS, "quick: about a minute a model.")] = "quick",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Fresh processes for each model and setting.  Default: the preset's.")
    ] = None,
    provider_option: ProviderOptions = None,
) -> None:
    """Measure exported models on this machine: check their outputs, time them, write a folder for the report."""
    from resbench.benchmark.measure import measure_models

    measure_models(
        models,
        output,
        provider,
        batch_sizes=_numbers(batch_sizes, "--batch-sizes"),
        threads=_numbers(threads, "--threads"),
        preset=preset,
        rounds=rounds,
        options=_provider_options(provider_option).get(provider),
    )


@app.command()
def profile(
    models: Annotated[list[Path], typer.Argument(help="The .onnx files to profile.")],
    operators: Annotated[Path, typer.Option(help="Share of the time of each operator and layer, to write, .csv.")],
    data: Annotated[Path | None, typer.Option("--data", help="Real images.  Default: random pixels.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in one call.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads that a call may use.")] = 1,
) -> None:
    """Show where each model's time goes, by ONNX Runtime's profiler: shares, and speed beside the machine's peak."""
    from resbench.benchmark.profile import profile_models

    profile_models(models, operators, data=data, batch_size=batch_size, threads=threads)


@app.command()
def scenarios(
    models: Annotated[list[Path], typer.Argument(help="The .onnx files to run.")],
    data: Data,
    provider: Annotated[list[str], _one_of(PROVIDERS, "Execution provider; once for each.")],
    results: Annotated[Path, typer.Option(help="LoadGen's figures and verdicts, .csv.")],
    preset: Annotated[str, _one_of(SCENARIO_PRESETS, "smoke: seconds a run; mlperf: the official lengths.")] = "smoke",
    threads: Annotated[int, typer.Option(min=1, help="Intra-op threads.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a call in Offline.")] = 32,
    p99_ms: Annotated[float, typer.Option(min=0.001, help="What Server's 99th percentile must keep.")] = 100.0,
    provider_option: ProviderOptions = None,
) -> None:
    """Run MLPerf's SingleStream, Offline and Server on MLCommons LoadGen."""
    from resbench.benchmark.scenarios import measure_scenarios

    measure_scenarios(
        models,
        provider,
        results,
        data=data,
        preset=preset,
        threads=threads,
        batch_size=batch_size,
        bound_ms=p99_ms,
        options=_provider_options(provider_option),
    )


@app.command()
def collate(
    report: Annotated[Path, typer.Option(help="Table to write, .csv.")],
    comparisons: Annotated[Path, typer.Option(help="Which model is better than which, to write, .csv.")],
    recommendation: Annotated[Path, typer.Option(help="Which model to deploy, to write, .json.")],
    markdown: Annotated[Path, typer.Option(help="The same for people, .md.")],
    checksums: Annotated[Path, typer.Option(help="SHA-256 of all these files and of their sources, to write.")],
    summary: Annotated[Path, typer.Option(help="What `convert --summary` wrote.")],
    parity: Annotated[list[Path], typer.Option(help="What `export --parity` wrote; once for each model.")],
    predictions: Annotated[list[Path], typer.Option(help="What `evaluate` wrote; once for each.")],
    samples: Annotated[list[Path], typer.Option(help="What `latency --samples` wrote; once for each provider.")],
    host: Annotated[list[Path], typer.Option(help="What `latency --host` wrote, in the order of --samples.")],
    measured: Measured = None,
    name: Annotated[str | None, typer.Option(help="What images of no known dataset are called.")] = None,
    provider: Annotated[
        str | None, _one_of(PROVIDERS, "Where bundles will run.  Default: the first that was timed.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a call there.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Intra-op threads there.")] = 1,
    precision: Annotated[
        str, typer.Option(help="Precision to deploy there; fastest leaves it to the recommendation's rule.")
    ] = "fastest",
    robustness: Robustness = None,
) -> None:
    """Gather every stage's figures in one table, compare the models and decide which one to deploy."""
    from resbench.report.recommendation import Deployment
    from resbench.report.table import collate_report

    timings = _timings(samples, host, measured)
    deployment = None
    if provider:
        deployment = Deployment(provider=provider, batch_size=batch_size, threads=threads, precision=precision)
    outputs = (report, comparisons, recommendation, markdown, checksums)
    collate_report(*outputs, name, summary, parity, predictions, timings, deployment, robustness)


@app.command()
def robustness(
    results: Annotated[Path, typer.Option(help="Table to write, .csv.")],
    predictions: Annotated[list[Path], typer.Option(help="What `evaluate` wrote, on every test set; once for each.")],
) -> None:
    """Gather what every model loses on further test sets."""
    from resbench.report.robustness import write_robustness

    write_robustness(results, predictions)


@app.command()
def page(
    page: Annotated[Path, typer.Option(help="Page to write, .html.")],
    figures: Annotated[Path, typer.Option(help="Folder of the figures to write; replaced.")],
    report: Annotated[Path, typer.Option(help="What `collate --report` wrote.")],
    comparisons: Annotated[Path, typer.Option(help="What `collate --comparisons` wrote.")],
    recommendation: Annotated[Path, typer.Option(help="What `collate --recommendation` wrote.")],
    history: Annotated[list[Path], typer.Option(help="…/VARIANT/seedN/history.csv of `train`; once for each.")],
    predictions: Annotated[list[Path], typer.Option(help="What `evaluate` wrote; once for each.")],
    samples: Annotated[list[Path], typer.Option(help="What `latency --samples` wrote; once for each provider.")],
    host: Annotated[list[Path], typer.Option(help="What `latency --host` wrote, in the order of --samples.")],
    test: Annotated[Path, typer.Option(help="Test images that `convert` wrote, .npz.")],
    summary: Annotated[Path, typer.Option(help="What `convert --summary` wrote.")],
    measured: Measured = None,
    config: Annotated[str, typer.Option(help="The configuration, as a JSON object.")] = "{}",
    scenarios: Annotated[
        Path | None, typer.Option(help="What `scenarios --results` wrote.  Default: none ran, none are shown.")
    ] = None,
    robustness: Robustness = None,
    operators: Annotated[
        list[Path] | None, typer.Option(help="What `profile --operators` wrote; once for each file.  Default: none.")
    ] = None,
) -> None:
    """Show everything on one page that loads nothing: the recommendation first, then what stands behind it."""
    from resbench.report.html.page import write_page
    from resbench.report.html.page_inputs import read_page_inputs

    timings = _timings(samples, host, measured)
    write_page(
        page,
        figures,
        read_page_inputs(
            report,
            comparisons,
            recommendation,
            history,
            predictions,
            timings,
            test,
            summary,
            config,
            scenarios,
            robustness,
            operators,
        ),
    )


@app.command()
def bundle(
    models: Annotated[list[Path], typer.Argument(help="The .onnx files of one variant and seed, in all precisions.")],
    predictions: Annotated[list[Path], typer.Option(help="What `evaluate` wrote; once for each model.")],
    report: Annotated[Path, typer.Option(help="What `collate --report` wrote.")],
    recommendation: Annotated[Path, typer.Option(help="What `collate --recommendation` wrote; it decides.")],
    data: Annotated[Path, typer.Option("--data", help="Test images, of which one warms the server up, .npz.")],
    folder: Annotated[Path, typer.Option(help="Folder to write, named as the served model will be.")],
    robustness: Robustness = None,
) -> None:
    """Put the recommended precision in a folder that Triton serves, with labels and a model card."""
    from resbench.deploy.bundle import write_bundle

    write_bundle(folder, models, predictions, report, recommendation, data, robustness)


@app.command()
def verify(
    results: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    images: Annotated[int, typer.Option(min=1, help="Test images to run each model on again.")] = 64,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.  Default: all cores.")] = None,
) -> None:
    """Recompute everything that a report claims from its raw files; each contradiction is a line, and exit status 1."""
    from resbench.verify.results import verify_results

    faults = 0
    for fault in verify_results(results, images=images, threads=threads, note=say):
        print(fault)
        faults += 1
    if faults:
        raise typer.Exit(1)
    print(f"{results}: everything that was checked follows from the raw files")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="An .onnx that `resbench export` wrote.")],
    images: Annotated[
        list[Path],
        typer.Argument(help="Pictures of any size (PNG, JPEG, WebP, GIF, BMP, TIFF, PPM), or folders of them."),
    ],
    json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    labels: Annotated[
        Path | None, typer.Option(help="Class names, one a line, for a model that names none.  Default: the model's.")
    ] = None,
) -> None:
    """Name what is on each image: the three likeliest classes with their probabilities."""
    from resbench.deploy.predict import predict_images

    if not predict_images(model, images, as_json=json, labels=labels):
        raise typer.Exit(1)


@app.command()
def compare(
    old: Annotated[Path, typer.Argument(help="Results folder of the earlier run.")],
    new: Annotated[Path, typer.Argument(help="Results folder of the later run.")],
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Print a page.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Exit status 1 also where a model is not the same bit for bit.")
    ] = False,
    remeasure: Annotated[
        bool, typer.Option("--remeasure", help="Time both runs' models now, interleaved, on this machine.")
    ] = False,
    preset: Annotated[str, _one_of(LATENCY_PRESETS, "How long --remeasure takes.")] = "quick",
    across_versions: Annotated[
        bool, typer.Option("--across-versions", help="Judge latencies although the runtimes' versions differ.")
    ] = False,
    spread: Annotated[
        float | None,
        typer.Option(
            min=0, help="Standard deviation of this machine's latencies between occasions, as perf/occasions.py prints."
        ),
    ] = None,
) -> None:
    """Did a rerun give the same, and if not, is it better or worse?

    Exit status: 0 reproduced or no worse; 1 worse, or something of the old run is missing; 2 not comparable.
    """
    from resbench.compare import view
    from resbench.compare.comparison import compare_runs
    from resbench.compare.run import read_run
    from resbench.statistics.occasions import BETWEEN_OCCASIONS

    if json + markdown + html > 1:
        raise typer.BadParameter("choose one of --json, --markdown and --html")
    deviation = BETWEEN_OCCASIONS if spread is None else BETWEEN_OCCASIONS._replace(deviation=spread)
    try:
        runs = read_run(old), read_run(new)
        remeasured = None
        if remeasure:
            from resbench.compare.remeasure import remeasure as time_again

            remeasured = time_again(*runs, preset=preset)
        found = compare_runs(
            *runs, spread=deviation, across_versions=across_versions, exact=exact, remeasured=remeasured
        )
    except (ResbenchError, OSError) as error:  # 1 is the answer to a comparison, and there is none
        say(f"resbench: error: {error}")
        raise typer.Exit(2) from error
    render = {json: view.render_json, markdown: view.render_markdown, html: view.render_html}.get(True)
    print((render or view.render_terminal)(found), end="")
    if found.failures:
        raise typer.Exit(1)


@app.command()
def variants() -> None:
    """List the networks: parameters, multiply-adds and published test accuracy."""
    from resbench.networks.registry import describe_variants

    for line in describe_variants():
        print(line)


def _require_check(variant: str, checked: Path | None) -> None:
    """Make sure that a variant was checked; where no file says so, check it, in a process of its own."""
    if checked:
        from resbench.common.files import read_json

        figures = read_json(checked)
        if not isinstance(figures, dict) or figures.get("variant") != variant:
            raise ResbenchError(f"{checked}: not what `resbench check {variant} --figures` writes; check it again")
        return
    command = [sys.executable, "-m", "resbench", "check", variant]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or [f"{variant}: its check ended with status {answer.returncode}"]
        raise ResbenchError(lines[-1].removeprefix("resbench: error: "))


def _timings(samples: list[Path], host: list[Path], measured: list[Path] | None) -> list[tuple[Path, Path]]:
    from resbench.benchmark.elsewhere import measured_timings

    if len(samples) != len(host):
        raise typer.BadParameter(f"{len(samples)} of --samples and {len(host)} of --host: one of each a provider")
    return [*zip(samples, host, strict=True), *(pair for folder in measured or [] for pair in measured_timings(folder))]


def _numbers(text: str, option: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise typer.BadParameter(f"{text!r} is not a comma-separated list of positive whole numbers", param_hint=option)
    return numbers


def _provider_options(words: list[str] | None) -> dict[str, dict[str, str]]:
    options: dict[str, dict[str, str]] = {}
    for word in words or []:
        match = re.fullmatch(rf"({'|'.join(PROVIDERS)})\.(\w+)=(.+)", word)
        if not match:
            raise typer.BadParameter(f"{word!r} is not PROVIDER.NAME=VALUE", param_hint="--provider-option")
        provider, name, value = match.groups()
        options.setdefault(provider, {})[name] = value
    return options


def main() -> Any:
    """Run the command line.  Exit status: 0 done, 1 bad input or failure, 2 wrong usage, 130 interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that unfinished outputs are cleaned up
    debug = "--debug" in sys.argv
    try:
        app()
    except (ResbenchError, OSError) as error:  # OSError: a full disk, a folder that may not be written
        if debug:
            raise
        say(f"resbench: error: {error}")
        sys.exit(1)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if debug or extra is None:
            raise
        say(f"resbench: error: {error.name} is not installed; run pip install 'resbench[{extra}]'")
        sys.exit(1)
