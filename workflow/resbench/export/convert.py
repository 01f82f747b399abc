"""Conversion from Keras to ONNX by tf2onnx, extended by what it cannot convert, with errors that name the layer."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from onnx import ModelProto
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from resbench.common.errors import ResbenchError, one_line

OPSET = 17  # it has global average pooling as one node, and every runtime since 2022 supports it
REMEDY = (
    "write this step with layers or keras.ops that ONNX has, such as convolution, matmul, exp, mean, where or reshape"
)


def convert(model: keras.Model) -> ModelProto:
    """Return a model as tf2onnx writes it: `image`, uint8 (N, ...), in; `probabilities`, float32 (N, classes), out.

    Args:
        model: The Keras model.

    Returns:
        The graph.

    Raises:
        ResbenchError: A layer computes something that cannot be converted; names the layer.
    """
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="image")]
    function = tf.function(
        lambda image: {"probabilities": model(image, training=False)}, input_signature=signature, autograph=False
    )
    with _logged() as errors:
        try:
            with _inlined_functions():
                traced = function.get_concrete_function()
            frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False, aggressive_inlining=True)
            (output,) = frozen.outputs
            converted, _ = tf2onnx.convert.from_graph_def(
                frozen.graph.as_graph_def(add_shapes=True),
                input_names=["image:0"],  # only this: tf2onnx would make an input of a captured tensor, such as a mean
                output_names=[output.name],
                tensors_to_rename={"image:0": "image", output.name: "probabilities"},
                opset=OPSET,
                custom_op_handlers={"Erfc": (_erfc, []), "Expm1": (_expm1, [])},
                custom_rewriter=[_vectors_for_scalars],
            )
        except Exception as error:  # tf2onnx raises many types on unusual graphs
            raise ResbenchError(f"{_place(model, ' '.join(errors))}: {one_line(error)}; {REMEDY}") from error
    for node in converted.graph.node:
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, OPSET, ""):
            place = _place(model, node.name)
            raise ResbenchError(f"{place}: TensorFlow's operation {node.op_type} cannot be exported to ONNX; {REMEDY}")
    return converted


@contextmanager
def _inlined_functions() -> Iterator[None]:
    """Trace the bodies of compiled functions instead of calls of them, which ONNX does not have.

    Keras compiles grouped convolutions with XLA, since TensorFlow cannot train them on a CPU otherwise.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Collect messages of tf2onnx and TensorFlow: tf2onnx reports failures only there."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    collector = Collector(logging.WARNING)
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("tf2onnx", "tensorflow")]
    loggers = [logging.getLogger(name) for name in names]
    states = [(logger, logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [collector], False
    try:
        yield messages
    finally:
        for logger, handlers, propagate in states:
            logger.handlers, logger.propagate = handlers, propagate


def _place(model: keras.Model, text: str) -> str:
    """Return the layer of a TensorFlow node's path, such as `functional_1/dense_2_1/Gelu/Erfc`, as text."""
    layers = {layer.name: layer for layer in model._flatten_layers() if layer is not model}
    for part in reversed(re.findall(r"[\w.\-]+", text)):
        layer = layers.get(part) or layers.get(re.sub(r"_\d+$", "", part))
        if layer:
            return f"layer {layer.name!r} ({type(layer).__name__})"
    return "the network"


def _erfc(context: Any, node: Any, name: str, args: Any) -> None:
    """Convert Erfc, which exact GELU is made of: 1 - Erf."""
    _subtract(context, node, name, "Erf", one_first=True)


def _expm1(context: Any, node: Any, name: str, args: Any) -> None:
    """Convert Expm1, which CELU is made of: Exp - 1."""
    _subtract(context, node, name, "Exp", one_first=False)


def _subtract(context: Any, node: Any, name: str, operator: str, *, one_first: bool) -> None:
    """Replace a node by the difference of 1 and what an operator computes of its input."""
    dtype, shape = context.get_dtype(node.output[0]), context.get_shape(node.output[0])
    one = context.make_const(f"{name}_one", tf2onnx.utils.map_onnx_to_numpy_type(dtype)(1)).output[0]
    value = context.make_node(operator, node.input, name=f"{name}_value", shapes=[shape], dtypes=[dtype]).output[0]
    context.remove_node(node.name)
    terms = [one, value] if one_first else [value, one]
    context.make_node("Sub", terms, name=name, outputs=node.output, shapes=[shape], dtypes=[dtype])


def _vectors_for_scalars(graph: Any, nodes: Any) -> Any:
    """Give additions of a scalar, as in hard-swish, a constant of one element: tf2onnx's clean-up fails on scalars."""
    for node in nodes:
        if node.type not in ("Add", "AddV2") or not node.inputs[1].is_const():
            continue
        value, shape = node.inputs[1].get_tensor_value(as_list=False), graph.get_shape(node.input[0])
        if np.ndim(value) == 0 and shape:
            vector = graph.make_const(tf2onnx.utils.make_name(node.name), np.reshape(value, 1))
            graph.replace_input(node, node.input[1], vector.output[0], 1)
    return graph.get_nodes()
