"""A Keras model as a graph that any runtime takes: no helper operators, stable names, the same bytes every time."""

from collections import Counter

import keras
import numpy as np
import onnx
import onnxslim
import tensorflow as tf
import tf2onnx
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

OPSET = 17  # global average pooling stays one node, and every runtime since 2022 reads it
IR_VERSION = 8  # the one of ONNX 1.12, which brought opset 17
BATCH = "N"
NCHW_TO_NHWC = [0, 2, 3, 1]


def to_onnx(model: keras.Model) -> ModelProto:
    """The model as a graph from `image`, uint8 (N, 32, 32, 3), to `probabilities`, float32 (N, classes).

    Batch normalisation is folded into the convolution before it; what computes a shape that is
    known, and every transposition but the input's, is gone.  Names tell operators apart by their
    order, so that the graph does not depend on what else the process has built.
    """
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="image")]
    function = tf.function(lambda image: {"probabilities": model(image, training=False)}, input_signature=signature)
    traced, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    slim: ModelProto = onnxslim.slim(traced)
    flatten_channels_first(slim.graph)
    merge_dense_bias(slim.graph)
    rename(slim.graph)
    for value in (*slim.graph.input, *slim.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    del slim.graph.value_info[:]
    return onnx.helper.make_model(
        slim.graph,
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        producer_name=f"tf2onnx {tf2onnx.__version__}, onnxslim {onnxslim.__version__}",
    )


def flatten_channels_first(graph: GraphProto) -> None:
    """Flatten NCHW as it is, in place: the rows of the dense kernel behind it move instead of the activations.

    Keras flattens NHWC, and so the traced graph transposes first.
    """
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    weights = {weight.name: weight for weight in graph.initializer}
    for transpose in [node for node in graph.node if node.op_type == "Transpose"]:
        reshape = _only_consumer(graph, transpose)
        dense = reshape and _only_consumer(graph, reshape)
        if not reshape or not dense or (reshape.op_type, dense.op_type) != ("Reshape", "MatMul"):
            continue
        if list(transpose.attribute[0].ints) != NCHW_TO_NHWC or dense.input[1] not in weights:
            continue
        weight = weights[dense.input[1]]
        channels, height, width = (dim.dim_value for dim in shapes[transpose.input[0]][1:])
        rows = np.arange(height * width * channels).reshape(height, width, channels).transpose(2, 0, 1).ravel()
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[rows], weight.name))
        reshape.input[0] = transpose.input[0]
        graph.node.remove(transpose)


def merge_dense_bias(graph: GraphProto) -> None:
    """Make one Gemm of a MatMul and the Add of its bias, in place: in int8 the sum is then not rounded in between."""
    constants = {weight.name: len(weight.dims) for weight in graph.initializer}
    for matmul in [node for node in graph.node if node.op_type == "MatMul"]:
        add = _only_consumer(graph, matmul)
        if add and add.op_type == "Add" and constants.get(add.input[1]) == 1:
            matmul.op_type = "Gemm"
            matmul.input.append(add.input[1])
            matmul.output[0] = add.output[0]
            graph.node.remove(add)


def rename(graph: GraphProto) -> None:
    """Name nodes by operator and order (`Conv_3`), what they give after them, constants after their first user."""
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


def _role(node: NodeProto, index: int) -> str:
    weighted = node.op_type in ("Conv", "Gemm", "MatMul")
    return ("input", "weight", "bias")[index] if weighted else f"constant{index}"


def _only_consumer(graph: GraphProto, node: NodeProto) -> NodeProto | None:
    consumers = [other for other in graph.node if node.output[0] in other.input]
    return consumers[0] if len(consumers) == 1 else None
