"""Checks of a variant before it is trained: its untrained network goes through all later stages."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np
import onnx
from numpy.typing import NDArray

from resbench import IMAGE_SHAPE
from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import read_json, sha256, write_json
from resbench.common.modules import run_module
from resbench.common.progress import say
from resbench.common.variants import variant_file
from resbench.data.store import Split, load_split, save_split
from resbench.export.counts import multiply_adds
from resbench.export.execution import tolerance
from resbench.export.graph import to_onnx
from resbench.export.loading import load_model
from resbench.export.metadata import write_metadata
from resbench.export.onnx import LARGEST_DIFFERENCE
from resbench.export.quantize import quantize_model
from resbench.networks.contract import arithmetic_fault, build, softmax_fault
from resbench.networks.registry import describe_error, parameters, reference, variant
from resbench.runtime.providers import BASE_PROVIDER
from resbench.runtime.sessions import open_session, predict
from resbench.training import loop
from resbench.version import __version__

IMAGES = 32  # random ones
CLASSES = 10
NOISE = 0.02  # standard deviation of what is added to constant variables
OTHER_CLASSES = 7  # a second number shows whether a network respects `classes`
# Names of the files in the folder that the two processes share.
MODEL, DATA, EXPECTED, FIGURES = "model.keras", "images.npz", "expected.npy", "figures.json"


def check_variant(name: str, precisions: Sequence[str], result_path: Path | None) -> dict[str, Any]:
    """Build a variant, save it, and in a new process load, export and run it, and make the other precisions.

    Args:
        name: Name of the variant.
        precisions: Other precisions that will be made: `int8`, `fp16`.
        result_path: File for the figures, .json; None writes none.

    Returns:
        parameters and macs; max_abs_diff between Keras and ONNX Runtime; for each precision the largest difference of a
        probability from fp32's, as NAME_max_abs_diff; seconds.

    Raises:
        ResbenchError: A later stage would fail; names the file, where possible the layer, and the remedy.
    """
    start = perf_counter()
    file = variant_file(name)
    keras.utils.set_random_seed(0)
    module = variant(name)
    reference(name)
    keras.mixed_precision.set_global_policy("float32")  # training sets its own, whatever the file sets
    build(module, OTHER_CLASSES)
    model = build(module, CLASSES)
    if fault := arithmetic_fault(model):
        raise ResbenchError(f"{file}: {fault}")
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, *IMAGE_SHAPE), dtype=np.uint8)
    vary_constants(model)
    variables = model.variables
    start_values = loop.values(variables)
    try:
        trained = settle_normalization(model, images)
        loop.assign(variables, start_values)
        again = settle_normalization(model, images)
        expected = np.asarray(model(images, training=False))
        alone = np.asarray(model(images[:1], training=False))
    except Exception as error:  # whatever call() of a layer does
        raise ResbenchError(
            f"{file}: its network cannot be run on images ({describe_error(error, file)}); correct it"
        ) from error
    if fault := softmax_fault(expected):
        raise ResbenchError(f"{file}: {fault}")
    if np.abs(again - trained).max() > LARGEST_DIFFERENCE:
        raise ResbenchError(
            f"{file}: its network draws random numbers in training whose state is not one of its variables, so that an "
            "interrupted training would end differently; draw them by keras.random with seed=self.seeds, and let the "
            "layer's __init__() make self.seeds = keras.random.SeedGenerator()"
        )
    if np.abs(alone - expected[:1]).max() > LARGEST_DIFFERENCE:
        raise ResbenchError(
            f"{file}: the output of its network for an image depends on the other images of the batch, or is random; "
            "let layers use one image at a time, and be random only in training"
        )
    with tempfile.TemporaryDirectory(prefix="resbench-check-") as name_of_folder:
        folder = Path(name_of_folder)
        np.save(folder / EXPECTED, expected)
        labels = np.arange(IMAGES, dtype=np.uint8) % CLASSES
        save_split(folder / DATA, Split(images, labels, np.array([f"class {number}" for number in range(CLASSES)])))
        try:
            model.save(folder / MODEL)
        except Exception as error:  # whatever a layer's get_config does
            raise ResbenchError(
                f"{file}: Keras cannot save its network ({one_line(error)}); correct get_config() of its own classes, "
                "and write a functools.partial as a function, with def"
            ) from error
        _follow(folder, name, precisions, file)
        figures: dict[str, Any] = read_json(folder / FIGURES)
    figures = {"variant": name, "parameters": parameters(model), **figures, "resbench": __version__}
    figures["seconds"] = round(perf_counter() - start, 1)
    if result_path:
        write_json(result_path, figures)
    say(", ".join(f"{key} {value}" for key, value in figures.items()))
    return figures


def vary_constants(model: keras.Model) -> None:
    """Add small random numbers to each trainable variable whose values are all equal.

    Training changes them: a bias of zeros, or a scale of zeros or ones, whose operations are simplified away at first,
    so that the untrained graph would be another than the trained one. No value changes its sign, nor comes closer to 0.

    Args:
        model: The network, which is changed.
    """
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        values = variable.numpy()
        if np.ptp(values) == 0:
            noise = random.normal(scale=NOISE, size=values.shape)
            variable.assign(values + np.where(values == 0, noise, np.sign(values) * np.abs(noise)))


def settle_normalization(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give batch normalisation the statistics of these images.

    With those of an untrained network, a deep network returns the same probabilities for every image, which any export
    would reproduce.

    Args:
        model: The network, which is changed.
        images: uint8 (N, 32, 32, 3).

    Returns:
        The outputs for these images, as in training.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    outputs: NDArray[np.float32] = np.asarray(model(images, training=True))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return outputs


def _follow(folder: Path, name: str, precisions: Sequence[str], file: Path) -> None:
    """Run `follow` in a process of its own, which knows only the network's file."""
    if failure := run_module("resbench.export.check", str(folder), name, *precisions).message:
        message = failure.replace(f"{folder / MODEL}: ", "").replace(f"{folder}{os.sep}", "")
        raise ResbenchError(f"{file}: {message}")


def follow(folder: Path, name: str, precisions: Sequence[str]) -> None:
    """Load the saved network, export it, run it, make the other precisions, and write the figures into the folder.

    Args:
        folder: Folder with the saved network, images and expected outputs.
        name: Name of the variant.
        precisions: Other precisions to make.

    Raises:
        ResbenchError: One of these steps fails, or the graph does not compute what the network computes.
    """
    images = load_split(folder / DATA).images
    model = load_model(folder / MODEL, name)
    graph = to_onnx(model)
    classes = [f"class {number}" for number in range(CLASSES)]
    facts = {"variant": name, "seed": "0", "precision": "fp32", "classes": classes}
    write_metadata(graph, facts | {"train_sha256": sha256(folder / DATA), "train_images": IMAGES})
    onnx.save_model(graph, folder / "fp32.onnx")
    exported = _run(folder / "fp32.onnx", images)
    difference = float(np.abs(exported - np.load(folder / EXPECTED)).max())
    most = tolerance(graph, images, LARGEST_DIFFERENCE, difference)
    if not difference <= most:  # also refuses NaN
        raise ResbenchError(
            f"its ONNX graph differs from Keras by {difference:.1g}, more than {most:.1g}; one "
            "of its own layers computes something else after it was loaded: correct its get_config(), or call(), and "
            "rename an activation of its own that has the name of one of Keras's"
        )
    figures: dict[str, Any] = {"macs": multiply_adds(graph), "max_abs_diff": difference}
    for precision in precisions:
        path = folder / f"{precision}.onnx"
        quantize_model(
            folder / "fp32.onnx", folder / DATA, precision, path, images=IMAGES, method="minmax", seed=0, threads=1
        )
        figures[f"{precision}_max_abs_diff"] = float(np.abs(_run(path, images) - exported).max())
    write_json(folder / FIGURES, figures)


def _run(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return predict(open_session(path, BASE_PROVIDER.name, 1), path, images)


def main() -> None:
    """Run `follow` on the folder, variant and precisions of the command line."""
    folder, name, *precisions = sys.argv[1:]
    try:
        follow(Path(folder), name, precisions)
    except ResbenchError as error:
        sys.exit(" ".join(str(error).splitlines()))


if __name__ == "__main__":
    main()
