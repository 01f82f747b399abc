"""The contract of all networks, which makes everything after the training work; it is checked when one is built."""

import re
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
from numpy.typing import NDArray

from resbench import IMAGE_SHAPE
from resbench.common.errors import ResbenchError
from resbench.networks.registry import describe_error

LAYER_NAME = re.compile(r"[A-Za-z0-9_.>-]+")
INPUT = 'keras.Input((32, 32, 3), dtype="uint8")'


def build(module: ModuleType, classes: int) -> keras.Model:
    """Build a variant's network and check that it can be trained, saved, exported and deployed.

    Args:
        module: The variant's module.
        classes: Number of classes.

    Returns:
        The network.

    Raises:
        ResbenchError: `build` fails, or returns a network that breaks the contract; names the file and the remedy.
    """
    file = Path(str(module.__file__))
    try:
        model = module.build(classes)
    except (Exception, SystemExit) as error:  # whatever the file does
        raise ResbenchError(f"{file}: build({classes}) fails ({describe_error(error, file)}); correct it") from error
    if fault := find_fault(model, classes):
        raise ResbenchError(f"{file}: {fault}")
    return model


def find_fault(model: object, classes: int) -> str | None:
    """Return what keeps a network from being a variant, and the remedy.

    Its shapes and layers are checked; nothing is computed.

    Args:
        model: What `build` returned.
        classes: Number of classes that it was asked for.

    Returns:
        The end of a sentence that begins with the file's name; None where the network keeps the contract.
    """
    if not isinstance(model, keras.Model):
        return f"build({classes}) returns {type(model).__name__}, not a keras.Model; return keras.Model(image, output)"
    try:
        inputs, outputs = model.inputs or [], model.outputs or []
    except (AttributeError, ValueError):
        inputs, outputs = [], []
    if not inputs and isinstance(model, keras.Sequential):
        return f"its Sequential model has no input; begin it with {INPUT}"
    if not inputs:
        return (
            f"its model, {type(model).__name__}, is a subclass of keras.Model without shapes; "
            f"build it from {INPUT} on and return keras.Model(image, output)"
        )
    if len(inputs) > 1 or len(outputs) > 1:
        counts = f"inputs: {len(inputs)}, outputs: {len(outputs)}"
        return f"its model does not take one image and return one output ({counts}); return keras.Model(image, output)"
    if isinstance(getattr(model, "output", None), dict):
        return "its model returns a dict; return keras.Model(image, output)"
    return _input_fault(inputs[0]) or _layer_fault(model) or _head_fault(outputs[0], classes)


def arithmetic_fault(model: keras.Model) -> str | None:
    """Return which layer sets its own float arithmetic, and the remedy.

    Args:
        model: The network.

    Returns:
        The end of a sentence that begins with the file's name; None where all layers compute in float32.
    """
    for layer in model._flatten_layers():
        if layer.compute_dtype in ("float16", "bfloat16", "float64"):
            return (
                f"layer {layer.name!r} computes in {layer.compute_dtype}; leave its dtype and policy out: "
                "training.mixed_precision sets the arithmetic of training, and precisions that of the exported models"
            )
    return None


def softmax_fault(probabilities: NDArray[np.float32]) -> str | None:
    """Return why a network's outputs are not class probabilities.

    Args:
        probabilities: Outputs of an untrained network, float32 (images, classes).

    Returns:
        The end of a sentence that begins with the file's name; None where they are probabilities.
    """
    if not np.isfinite(probabilities).all():
        return "its untrained network returns NaN or infinity; check its initial weights and divisions"
    if probabilities.min() < -1e-3 or np.abs(probabilities.sum(axis=1) - 1).max() > 1e-3:
        return (
            "its outputs are not probabilities: they do not sum to 1; "
            'end it with resbench.networks.layers.probabilities, or a Dense layer with activation="softmax"'
        )
    return None


def _input_fault(image: keras.KerasTensor) -> str | None:
    batch, *sides = image.shape
    shape = "×".join("any" if side is None else str(side) for side in sides)
    if tuple(sides) != IMAGE_SHAPE:
        return (
            f"its input has shape {shape}, but images have 32×32×3; begin it with {INPUT}, and resize inside if need be"
        )
    if batch is not None:
        return f"its input takes batches of {batch} images only; begin it with {INPUT}, without a batch size"
    if image.dtype != "uint8":
        return (
            f"its input is {image.dtype}, but pixels are uint8, 0 to 255; begin it with {INPUT} and scale them inside"
        )
    return None


def _layer_fault(model: keras.Model) -> str | None:
    for layer in model._flatten_layers():
        if not LAYER_NAME.fullmatch(layer.name):
            return f"layer {layer.name!r}: TensorFlow accepts only letters A to Z, digits, _ . and -; rename it"
        if isinstance(layer, keras.layers.Lambda):
            return (
                f"layer {layer.name!r} is a Lambda, whose code Keras does not load from a file; "
                "write it with keras.ops, or as a class of keras.layers.Layer in this file"
            )
        if _holds_lambda(layer):
            return f"layer {layer.name!r} has a lambda, which Keras does not load from a file; write it with def"
    return None


def _holds_lambda(layer: keras.Layer) -> bool:
    """Return whether the activation of a layer, or another function that it is given, has no name."""
    values = [getattr(layer, "activation", None), *vars(layer).values()]
    return any(getattr(value, "__name__", "") == "<lambda>" for value in values)


def _head_fault(output: keras.KerasTensor, classes: int) -> str | None:
    if tuple(output.shape) != (None, classes):
        shape = tuple(output.shape)[1:]
        return f"build({classes}) has outputs of shape {shape}, but there are {classes} classes; end it with that many"
    return None
