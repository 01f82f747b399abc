"""Count of the multiply-adds of an exported graph."""

import math
import re

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from resbench.export.execution import outputs

COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum")


def multiply_adds(model: ModelProto) -> int:
    """Return the multiply-adds (MACs) of one image's forward pass in convolutions, dense layers and attention.

    They are counted as in He et al. (2015), without additions, normalisation and activations, and without a convolution
    that only copies channels, as `convolve_padded_shortcuts` writes a padded shortcut. Shapes are those of a run on one
    image, so that what the network repeats, nests or shares counts as often as it is computed.

    Args:
        model: A graph with one input, uint8 (N, height, width, channels).

    Returns:
        Their number.
    """
    nodes = [node for node in model.graph.node if node.op_type in COUNTED]
    constants = {weight.name: weight for weight in model.graph.initializer}
    shapes = {name: tuple(weight.dims) for name, weight in constants.items()}
    shapes |= _measured_shapes(model, {name for node in nodes for name in (*node.input[:2], *node.output)} - {*shapes})
    return sum(_count(node, shapes) for node in nodes if not _copies(node, constants))


def _count(node: NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    first, output = shapes[node.input[0]], shapes[node.output[0]]
    if node.op_type == "Conv":  # the kernel is (out, in / groups, height, width)
        return math.prod(output) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":  # (in, out / groups, height, width)
        return math.prod(first) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "Einsum":
        equation = onnx.helper.get_node_attr_value(node, "equation").decode()
        letters = re.sub(r"[^A-Za-z,]", "", equation.split("->")[0]).split(",")
        sides = {
            letter: side
            for term, name in zip(letters, node.input, strict=True)
            for letter, side in zip(term, shapes[name], strict=True)
        }
        return math.prod(sides.values())
    transposed = node.op_type == "Gemm" and any(a.name == "transA" and a.i for a in node.attribute)
    return math.prod(output) * first[0 if transposed else -1]


def _copies(node: NodeProto, constants: dict[str, TensorProto]) -> bool:
    """Return whether a convolution's kernel is one pixel that takes one channel, or none, to each output."""
    if node.op_type != "Conv" or len(node.input) > 2 or node.input[1] not in constants:
        return False
    if list(constants[node.input[1]].dims[2:]) != [1, 1]:
        return False
    kernel = numpy_helper.to_array(constants[node.input[1]])
    return bool(np.isin(kernel, (0, 1)).all() and (kernel.sum(axis=1) <= 1).all())


def _measured_shapes(model: ModelProto, names: set[str]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of these values for one image."""
    watched = ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(names))
    image = model.graph.input[0]
    shape = [1, *(dim.dim_value for dim in image.type.tensor_type.shape.dim[1:])]
    values = outputs(watched, np.zeros(shape, np.uint8), sorted(names))
    return {name: value.shape for name, value in zip(sorted(names), values, strict=True)}
