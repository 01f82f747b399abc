"""Sub-commands for a model that is deployed."""

from pathlib import Path
from typing import Annotated

import typer

from resbench.cli.options import Robustness


def bundle(
    models: Annotated[list[Path], typer.Argument(help="The .onnx files of one variant and seed, in all precisions.")],
    predictions: Annotated[list[Path], typer.Option(help="What `evaluate` wrote; once for each model.")],
    report: Annotated[Path, typer.Option(help="What `collate --report` wrote.")],
    recommendation: Annotated[Path, typer.Option(help="What `collate --recommendation` wrote.")],
    data: Annotated[Path, typer.Option("--data", help="Test images, one of which is the server's warm-up, .npz.")],
    folder: Annotated[Path, typer.Option(help="Folder to write, named as the served model.")],
    robustness: Robustness = None,
) -> None:
    """Write the recommended precision into a folder that Triton serves, with labels and a model card."""
    from resbench.deploy.bundle import write_bundle

    write_bundle(folder, models, predictions, report, recommendation, data, robustness)


def predict(
    model: Annotated[Path, typer.Argument(help="An .onnx that `resbench export` wrote.")],
    images: Annotated[
        list[Path],
        typer.Argument(help="Pictures of any size (PNG, JPEG, WebP, GIF, BMP, TIFF, PPM), or folders of them."),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object on each line.")] = False,
    labels: Annotated[
        Path | None,
        typer.Option(help="Class names, one on each line, as in labels.txt of a bundle.  Default: the model's."),
    ] = None,
) -> None:
    """Classify images: the three most probable classes with their probabilities."""
    from resbench.deploy.predict import predict_images

    if not predict_images(model, images, as_json=json, labels=labels):
        raise typer.Exit(1)
