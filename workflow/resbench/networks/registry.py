"""The registry of variants: each file in variants/ is one."""

import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import tensorflow as tf

from resbench.common.errors import ResbenchError, one_line
from resbench.common.variants import variant_file
from resbench.networks import variants
from resbench.networks.references import Reference

COUNTED = frozenset({"Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2", "Einsum"})


def variant(name: str) -> ModuleType:
    """Return a variant's module: `build(classes)`, and optionally REFERENCE and WARM_UP.

    REFERENCE is a `Reference`. WARM_UP is true where training must begin with a low learning rate, which protocols that
    always do ignore.

    A variant in the user's folder may import modules from that folder.

    Args:
        name: Name of the variant.

    Returns:
        The module.

    Raises:
        ResbenchError: There is no variant of that name, or its file cannot be imported or has no `build`.
    """
    module = imported(name)
    if not callable(getattr(module, "build", None)):
        raise ResbenchError(f"{module.__file__}: has no function build(classes); write one that returns a keras.Model")
    return module


def imported(name: str) -> ModuleType:
    """Return the module of a variant's file, or another module in a folder of variants.

    Args:
        name: Name of the file, without its suffix.

    Returns:
        The module.

    Raises:
        ResbenchError: There is no variant of that name, or its file cannot be imported.
    """
    file = variant_file(name)
    folder = str(file.parent)
    if folder not in variants.__path__:
        variants.__path__.append(folder)
        sys.path.append(folder)
    try:
        return importlib.import_module(f"resbench.networks.variants.{name}")
    except SyntaxError as error:
        raise ResbenchError(f"{error.filename}: line {error.lineno} is not Python ({error.msg}); correct it") from error
    except (Exception, SystemExit) as error:  # whatever the file does
        raise ResbenchError(f"{file}: cannot be imported ({describe_error(error, file)}); correct it") from error


def describe_error(error: BaseException, file: Path) -> str:
    """Return an error's type and message, with the last line of a file that it passed.

    Args:
        error: The error.
        file: The file.

    Returns:
        Text such as `line 3: NameError: name 'x' is not defined`.
    """
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    place = f"line {lines[-1]}: " if lines else ""
    return f"{place}{type(error).__name__}: {one_line(error)}"


def reference(name: str) -> Reference | None:
    """Return the published figures of a variant.

    Args:
        name: Name of the variant.

    Returns:
        The figures; None where there are none.

    Raises:
        ResbenchError: There is no variant of that name, or its REFERENCE is not a `Reference`.
    """
    module = variant(name)
    published = getattr(module, "REFERENCE", None)
    if not isinstance(published, Reference | None):
        raise ResbenchError(
            f"{module.__file__}: REFERENCE is a {type(published).__name__}; "
            "write a Reference(...) of resbench.networks.references"
        )
    return published


def multiply_adds(model: keras.Model) -> int:
    """Return the multiply-adds (MACs) of one image's forward pass, as TensorFlow's profiler counts them.

    Those of convolutions and matrix products count, as in He et al. (2015), not additions, normalisation and
    activations. `resbench.export.counts` counts the exported graph, which does not exist where variants are listed; a
    test makes sure that both agree.

    Args:
        model: The network.

    Returns:
        Their number.
    """
    tf.get_logger().setLevel("ERROR")  # the profiler warns of TensorFlow's own old functions
    call = tf.function(lambda image: model(image, training=False), autograph=False)
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)  # includes what is compiled separately, as grouped convolutions are
    try:
        graph = call.get_concrete_function(tf.TensorSpec((1, *model.input_shape[1:]), tf.uint8)).graph
    finally:
        tf.config.run_functions_eagerly(eagerly)
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    profile = tf.compat.v1.profiler.profile(graph, cmd="op", options=options)
    return sum(node.float_ops for node in _nested(profile) if node.name in COUNTED) // 2


def _nested(node: Any) -> Iterator[Any]:
    """Yield a node of a profile and all below it."""
    yield node
    for child in node.children:
        yield from _nested(child)


def parameters(model: keras.Model) -> int:
    """Return the number of trained values, without the running statistics of batch normalisation.

    Args:
        model: The network.

    Returns:
        Their number.
    """
    return sum(weight.shape.num_elements() for weight in model.trainable_weights)
