"""Sub-commands that build, train and convert networks."""

from pathlib import Path
from typing import Annotated

import typer

from resbench.cli.options import Data, Threads, one_of
from resbench.common.errors import ResbenchError
from resbench.common.modules import run_module
from resbench.export.precisions import CALIBRATION_METHODS, FP32, PRECISIONS, SMALLER
from resbench.training.protocols import PROTOCOLS
from resbench.training.settings import DEVICES, POLICIES

PROTOCOL_HELP = "; ".join(f"{record.name}: {record.summary}" for record in PROTOCOLS.values()) + "."


def variants() -> None:
    """List the networks: parameters, multiply-adds and published test accuracy."""
    from resbench.networks.listing import describe_variants

    for line in describe_variants():
        print(line)


def check(
    variant: Annotated[str, typer.Argument(help="A name that `resbench variants` lists.")],
    precision: Annotated[
        list[str] | None, one_of(PRECISIONS, "A precision that will be made; once for each.  Default: all.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="File for the figures, .json.")] = None,
) -> None:
    """Run a variant's untrained network through all later stages, and refuse it if one would fail."""
    from resbench.training.devices import claim_device

    with claim_device("cpu", 1):
        from resbench.export.check import check_variant

        check_variant(variant, [name for name in precision or SMALLER if name != FP32], figures)


def train(
    variant: Annotated[str, typer.Argument(help="A name that `resbench variants` lists.")],
    data: Data,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of initial weights, order and augmentation.")],
    model: Annotated[Path, typer.Option(help="Model to write, .keras.")],
    history: Annotated[Path, typer.Option(help="History to write, one row for each epoch, .csv.")],
    test: Annotated[Path | None, typer.Option(help="Test images, measured once, after the last epoch.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: the protocol's number.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Default: the protocol's number.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N training images.")] = None,
    protocol: Annotated[str, one_of(PROTOCOLS, PROTOCOL_HELP)] = "notebook",
    validation: Annotated[int, typer.Option(min=0, help="Hold out the last N training images.")] = 0,
    device: Annotated[str, one_of(DEVICES, "auto: the GPU where there is one.")] = "auto",
    threads: Threads = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints after each epoch, from which a killed run continues.")
    ] = None,
    xla: Annotated[
        bool | None,
        typer.Option(help="Compile with XLA: faster on a GPU, not repeatable bit for bit.  Default: on a GPU only."),
    ] = None,
    mixed_precision: Annotated[
        str | None,
        one_of(POLICIES, "Arithmetic, with float32 weights.  Default: float16 on the GPU, none on the CPU."),
    ] = None,
    checked: Annotated[
        Path | None, typer.Option(help="What `check --figures` wrote.  Default: the variant is checked first.")
    ] = None,
) -> None:
    """Train one variant with one random seed."""
    from resbench.training.devices import claim_device

    _require_check(variant, checked)
    with claim_device(device, threads):
        from resbench.training.job import run_job
        from resbench.training.plan import Job

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


def export(
    model: Annotated[Path, typer.Argument(help="Model that `resbench train` wrote, .keras.")],
    data: Data,
    onnx: Annotated[Path, typer.Option(help="Graph to write, .onnx.")],
    parity: Annotated[Path, typer.Option(help="Figures of the comparison to write, .json.")],
    threads: Threads = None,
) -> None:
    """Convert a model to ONNX, unless the two disagree on an image of --data."""
    from resbench.training.devices import claim_device

    with claim_device("cpu", threads):  # float32 arithmetic as ONNX Runtime's CPU provider does it
        from resbench.export.onnx import export_model

        export_model(model, data, onnx, parity, threads=threads)


def quantize(
    model: Annotated[Path, typer.Argument(help="The fp32 .onnx that `resbench export` wrote.")],
    data: Annotated[Path, typer.Option("--data", help="The .npz that the model was trained on.")],
    precision: Annotated[str, one_of(SMALLER, "int8 for CPUs, fp16 for GPUs.")],
    onnx: Annotated[Path, typer.Option(help="Model to write, .onnx.")],
    images: Annotated[int, typer.Option(min=1, help="int8: number of training images to calibrate on.")] = 512,
    method: Annotated[str, one_of(CALIBRATION_METHODS, "int8: how ranges are chosen.")] = "minmax",
    seed: Annotated[int, typer.Option(min=0, help="int8: seed of the choice of images.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Write an exported model in int8 or fp16."""
    from resbench.export.quantize import quantize_model

    quantize_model(model, data, precision, onnx, images=images, method=method, seed=seed, threads=threads)


def _require_check(variant: str, checked: Path | None) -> None:
    """Make sure that a variant was checked; without a file that says so, check it in a process of its own.

    Which other precisions will be made is not known then; `resbench check` says whether they can be.
    """
    if checked:
        from resbench.common.files import read_object

        if read_object(checked, f"check {variant} --figures").get("variant") != variant:
            raise ResbenchError(f"{checked}: not what `resbench check {variant} --figures` writes; check it again")
        return
    if failure := run_module("resbench", "check", variant, "--precision", FP32).message:
        raise ResbenchError(failure.removeprefix("resbench: error: "))
