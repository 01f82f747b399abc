"""Conversion of a Keras model to a graph for any runtime: no helper operators, stable names, reproducible bytes."""

from collections import Counter
from collections.abc import Callable

import keras
import numpy as np
import onnx
import onnxslim
import tf2onnx
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

from resbench.common.errors import ResbenchError, one_line
from resbench.common.progress import say
from resbench.export.convert import OPSET, REMEDY, convert
from resbench.export.execution import outputs, tolerance

IR_VERSION = 8  # that of ONNX 1.12, which introduced opset 17
BATCH = "N"
NCHW_TO_NHWC = [0, 2, 3, 1]
PROBE_IMAGES = 3  # random images, for which a clean-up step must not change the output
LARGEST_CHANGE = 1e-5  # of a probability: float32 sums in another order

Step = Callable[[ModelProto], ModelProto]


def to_onnx(model: keras.Model) -> ModelProto:
    """Return a model as a graph from `image`, uint8 (N, 32, 32, 3), to `probabilities`, float32 (N, classes).

    Batch normalisation is folded into the convolution before it; computations of known shapes and unnecessary
    transpositions are removed. Nodes are named by operator and order, so that the graph does not depend on what else
    the process has built.

    Args:
        model: The Keras model.

    Returns:
        The graph.

    Raises:
        ResbenchError: A layer computes something that cannot be converted.
    """
    graph = clean(convert(model), STEPS)
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    del graph.graph.value_info[:]
    return onnx.helper.make_model(
        graph.graph,
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        producer_name=f"tf2onnx {tf2onnx.__version__}, onnxslim {onnxslim.__version__}",
    )


def clean(graph: ModelProto, steps: tuple[Step, ...]) -> ModelProto:
    """Apply clean-up steps one after the other, each only where the graph still loads and computes the same after it.

    A step that fails, or changes the output for random images, is left out for this network, with a message.

    Args:
        graph: The graph.
        steps: The steps.

    Returns:
        The new graph.

    Raises:
        ResbenchError: The graph does not run before the first step.
    """
    image = graph.graph.input[0].type.tensor_type.shape.dim
    shape = (PROBE_IMAGES, *(dim.dim_value for dim in image[1:]))
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    try:
        (expected,) = outputs(graph, images)
    except Exception as error:  # the runtime's exceptions share no narrower base
        raise ResbenchError(f"tf2onnx's graph does not run in ONNX Runtime ({one_line(error)}); {REMEDY}") from error
    for step in steps:
        candidate = ModelProto()
        candidate.CopyFrom(graph)
        try:
            candidate = step(candidate)
            (actual,) = outputs(candidate, images)
            change = float(np.abs(actual - expected).max())
            kept = change <= tolerance(graph, images, LARGEST_CHANGE, change)
            reason = "" if kept else f"changes a probability by {change:.1g}"
        except Exception as error:  # a graph that the step was not written for may fail here or in the runtime
            reason = f"fails with {type(error).__name__}"
        if reason:
            say(f"the clean-up step {step.__name__} is left out: it {reason} on this network")
        else:
            graph = candidate
    return graph


def simplify(model: ModelProto) -> ModelProto:
    """Fold constants, normalisation and known shapes.

    Args:
        model: The graph.

    Returns:
        The new graph.
    """
    slim: ModelProto = onnxslim.slim(model)
    return slim


def flatten_channels_first(model: ModelProto) -> ModelProto:
    """Flatten NCHW directly: the rows of the following dense kernel are reordered instead of the activations.

    Keras flattens NHWC, so the converted graph transposes first.

    Args:
        model: The graph.

    Returns:
        The new graph.
    """
    graph = model.graph
    shapes = _shapes(model)
    weights = {weight.name: weight for weight in graph.initializer}
    for transpose in [node for node in graph.node if node.op_type == "Transpose"]:
        reshape = _only_consumer(graph, transpose)
        dense = reshape and _only_consumer(graph, reshape)
        if not reshape or not dense or (reshape.op_type, dense.op_type) != ("Reshape", "MatMul"):
            continue
        if list(transpose.attribute[0].ints) != NCHW_TO_NHWC or dense.input[1] not in weights:
            continue
        weight = weights[dense.input[1]]
        channels, height, width = shapes[transpose.input[0]][1:]
        if len(weight.dims) != 2 or weight.dims[0] != channels * height * width or channels == 0:
            continue  # a dense layer on each pixel
        rows = np.arange(height * width * channels).reshape(height, width, channels).transpose(2, 0, 1).ravel()
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[rows], weight.name))
        reshape.input[0] = transpose.input[0]
        graph.node.remove(transpose)
    return model


def merge_dense_bias(model: ModelProto) -> ModelProto:
    """Merge a MatMul and the Add of its bias into one Gemm, so that int8 does not round the sum in between.

    Args:
        model: The graph.

    Returns:
        The new graph.
    """
    graph = model.graph
    constants = {weight.name: len(weight.dims) for weight in graph.initializer}
    shapes = _shapes(model)
    for matmul in [node for node in graph.node if node.op_type == "MatMul"]:
        add = _only_consumer(graph, matmul)
        if not add or add.op_type != "Add" or constants.get(matmul.input[1]) != 2:
            continue
        if constants.get(add.input[1]) != 1 or len(shapes.get(matmul.input[0], ())) != 2:  # Gemm takes only matrices
            continue
        matmul.op_type = "Gemm"
        matmul.input.append(add.input[1])
        matmul.output[0] = add.output[0]
        graph.node.remove(add)
    return model


def convolve_padded_shortcuts(model: ModelProto) -> ModelProto:
    """Write a shortcut that drops pixels and pads channels as one convolution with a constant kernel of 0 and 1.

    The shortcut is a MaxPool over one pixel with a stride, then a Pad of the channels with zeros. ONNX Runtime runs
    these in another memory layout than the convolutions around them, so every shortcut would cost two transpositions.

    Args:
        model: The graph.

    Returns:
        The new graph.
    """
    graph = model.graph
    constants = {weight.name: weight for weight in graph.initializer}
    shapes = _shapes(model)
    for pool in [node for node in graph.node if node.op_type in ("MaxPool", "AveragePool")]:
        pad = _only_consumer(graph, pool)
        if not pad or pad.op_type != "Pad" or not _drops_pixels(pool) or len(pool.output) > 1:
            continue
        added = _padded_channels(pad, constants)
        channels = shapes.get(pool.input[0], (0, 0))[1]
        if not added or not channels:
            continue
        kernel = np.zeros((sum(added) + channels, channels, 1, 1), np.float32)
        kernel[added[0] : added[0] + channels, :, 0, 0] = np.eye(channels)
        weight = numpy_helper.from_array(kernel, f"{pad.output[0]}_kernel")
        strides = onnx.helper.get_node_attr_value(pool, "strides")
        convolution = onnx.helper.make_node(
            "Conv", [pool.input[0], weight.name], pad.output, pad.name, kernel_shape=[1, 1], strides=strides
        )
        graph.initializer.append(weight)
        graph.node.insert(list(graph.node).index(pad), convolution)
        graph.node.remove(pool)
        graph.node.remove(pad)
    return model


def rename(model: ModelProto) -> ModelProto:
    """Name nodes by operator and order (`Conv_3`), values after their node, constants after their first user.

    Args:
        model: The graph.

    Returns:
        The new graph.
    """
    graph = model.graph
    kept = {value.name for value in (*graph.input, *graph.output)}
    constants = {weight.name: weight for weight in graph.initializer}
    names: dict[str, str] = {"": ""} | {name: name for name in kept}
    counts: Counter[str] = Counter()
    ordered = []
    for node in graph.node:
        node.name = f"{node.op_type}_{counts[node.op_type]}"
        counts[node.op_type] += 1
        for index, name in enumerate(node.input):
            if name not in names:
                names[name] = f"{node.name}.{_role(node, index)}"
                ordered.append(constants[name])
        for index, name in enumerate(node.output):
            names.setdefault(name, f"{node.name}:{index}")
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for constant in ordered:
        constant.name = names[constant.name]
    del graph.initializer[:]
    graph.initializer.extend(ordered)
    del graph.value_info[:]
    return model


STEPS: tuple[Step, ...] = (simplify, flatten_channels_first, merge_dense_bias, convolve_padded_shortcuts, rename)


def _shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of each value where it is known, 0 for an unknown side."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*inferred.value_info, *inferred.input, *inferred.output)
    }


def _drops_pixels(pool: NodeProto) -> bool:
    """Return whether a pooling node takes single pixels, and leaves some out."""
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in pool.attribute}
    padded = any(attributes.get("pads", ())) or attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID")
    return attributes["kernel_shape"] == [1, 1] and max(attributes.get("strides", [1])) > 1 and not padded


def _padded_channels(pad: NodeProto, constants: dict[str, onnx.TensorProto]) -> tuple[int, int] | None:
    """Return how many channels of zeros a Pad adds before and after those of NCHW; None where it does anything else."""
    if any(name and name not in constants for name in pad.input[1:]) or len(pad.input) > 3:
        return None
    if onnx.helper.get_node_attr_value(pad, "mode") not in (None, b"constant") if pad.attribute else False:
        return None
    if len(pad.input) == 3 and pad.input[2] and numpy_helper.to_array(constants[pad.input[2]]) != 0:
        return None
    pads = numpy_helper.to_array(constants[pad.input[1]]).tolist()
    if len(pads) != 8 or min(pads) < 0 or any(pads[i] for i in range(8) if i % 4 != 1):
        return None
    return int(pads[1]), int(pads[5])


def _role(node: NodeProto, index: int) -> str:
    weighted = node.op_type in ("Conv", "Gemm", "MatMul")
    return ("input", "weight", "bias")[index] if weighted else f"constant{index}"


def _only_consumer(graph: GraphProto, node: NodeProto) -> NodeProto | None:
    consumers = [other for other in graph.node if node.output[0] in other.input]
    return consumers[0] if len(consumers) == 1 else None
