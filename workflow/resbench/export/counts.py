"""Count of the multiply-adds of an exported graph."""

import math
from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from resbench.export.execution import executions, outputs

COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "LSTM", "GRU", "RNN")


def multiply_adds(model: ModelProto) -> int:
    """Return the multiply-adds (MACs) of one image in convolutions, dense and recurrent layers and attention.

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
    values = {name for node in nodes for name in (*node.input[:3], *node.output) if name}
    shapes |= _measured_shapes(model, values - shapes.keys())
    return sum(_count(node, shapes) for node in nodes if not _copies(node, constants)) + _count_loops(model)


def _count_loops(model: ModelProto) -> int:
    """Return the multiply-adds inside of loops and branches, as often as they are executed for one image."""
    inner = {node.name: node for graph in _inner_graphs(model.graph) for node in graph.node if node.op_type in COUNTED}
    if not inner:
        return 0
    graphs = [model.graph, *_inner_graphs(model.graph)]
    constants = {weight.name: tuple(weight.dims) for graph in graphs for weight in graph.initializer}
    total = 0
    for execution in executions(model, _one_image(model)):
        if node := inner.get(execution.node):
            computed = [
                name for name in node.input if name and name not in constants
            ]  # the profile leaves out constants
            shapes = zip((*computed, *node.output), (*execution.inputs, *execution.outputs), strict=False)
            total += _count(node, constants | {name: tuple(shape) for name, shape in shapes})
    return total


def _inner_graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """Yield the graphs that are attributes of nodes, at any depth."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield attribute.g
                yield from _inner_graphs(attribute.g)


def _count(node: NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    first, output = shapes[node.input[0]], shapes.get(node.output[0], ())
    if node.op_type == "Conv":  # the kernel is (out, in / groups, height, width)
        return math.prod(output) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":  # (in, out / groups, height, width)
        return math.prod(first) * math.prod(shapes[node.input[1]][1:])
    if node.op_type in ("LSTM", "GRU", "RNN"):  # steps × (weights of the input and of the state)
        return first[0] * sum(math.prod(shapes[name]) for name in node.input[1:3])
    if node.op_type == "Einsum":
        equation = onnx.helper.get_node_attr_value(node, "equation").decode()
        terms = equation.replace(" ", "").split("->")[0].split(",")
        sides: dict[str | int, int] = {}
        for term, name in zip(terms, node.input, strict=True):
            before, _, after = term.partition("...")
            unnamed = len(shapes[name]) - len(before) - len(after)  # counted from the last, as in broadcasting
            labels: list[str | int] = [*before, *range(-unnamed, 0), *after]
            for label, side in zip(labels, shapes[name], strict=True):
                sides[label] = max(side, sides.get(label, 1))
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
    values = outputs(watched, _one_image(model), sorted(names))
    return {name: value.shape for name, value in zip(sorted(names), values, strict=True)}


def _one_image(model: ModelProto) -> NDArray[np.uint8]:
    image = model.graph.input[0].type.tensor_type.shape.dim
    return np.zeros([1, *(dim.dim_value for dim in image[1:])], np.uint8)
