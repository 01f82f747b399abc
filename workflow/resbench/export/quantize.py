"""Conversion of the fp32 model to int8 and fp16."""

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from onnxruntime.quantization import CalibrationDataReader, QuantType, calibrate
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer
from onnxruntime.transformers.float16 import convert_float_to_float16

from resbench import IMAGE_SHAPE
from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import atomic, sha256
from resbench.data.store import load_split
from resbench.export.execution import outputs
from resbench.export.metadata import read_metadata, write_metadata
from resbench.export.precisions import CALIBRATION_METHODS
from resbench.runtime.providers import BASE_PROVIDER
from resbench.runtime.sessions import identify, open_session

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Operators that ONNX Runtime and OpenVINO run on 8-bit values from a layer with weights. All others stay in float:
# 256 steps cannot represent the small probabilities of a softmax, nor a variance.
FOLLOWERS = (
    *("Add", "Mul", "Relu", "LeakyRelu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Concat", "Pad", "Resize", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split"),
)
FP16_LARGEST_CHANGE = 0.1  # of a probability; above it, more than the softmax stays in float32
CALIBRATION_BATCH = 16  # images whose activations are in memory at a time: some 10 MB each
OF_FP32 = ("top1_agreement", "max_abs_diff")  # figures in the metadata that hold only for fp32


def quantize_model(
    model_path: Path,
    data_path: Path,
    precision: str,
    onnx_path: Path,
    *,
    images: int,
    method: str,
    seed: int,
    threads: int,
) -> None:
    """Write a model in another precision, with the metadata of the fp32 model.

    int8 is calibrated on a random choice of the images that the model was trained on, never on those held out; their
    indices, the method and the seed are in the metadata.

    Args:
        model_path: The fp32 model, .onnx.
        data_path: Images that it was trained on, .npz; fp16 does not use them.
        precision: `int8` or `fp16`.
        onnx_path: Model to write, .onnx.
        images: Number of images to calibrate on; all where there are fewer.
        method: A key of CALIBRATION_METHODS.
        seed: Seed of the choice of images.
        threads: Threads of ONNX Runtime.

    Raises:
        ResbenchError: The model is not an fp32 model of `resbench export`, or the data are not those it was trained on.
    """
    identity = identify(open_session(model_path, BASE_PROVIDER.name, threads), model_path)
    if identity.precision != "fp32":
        raise ResbenchError(
            f"{model_path}: is {identity.precision or 'not of resbench'}, not fp32; name a file that `export` wrote"
        )
    graph = onnx.load(model_path)
    facts: dict[str, Any] = {key: value for key, value in read_metadata(graph).items() if key not in OF_FP32}
    facts |= {"precision": precision, "fp32_sha256": sha256(model_path)}
    if precision == "int8":
        chosen, pixels = _calibration_set(facts, model_path, data_path, images, seed)
        facts["calibration"] = {"method": method, "seed": seed, "train_indices": chosen.tolist()}
    try:
        made = to_int8(graph, pixels, method, ends(graph), threads=threads) if precision == "int8" else to_fp16(graph)
        write_metadata(made, facts)
        onnx.checker.check_model(made, full_check=True)
    except Exception as error:  # both converters raise many types on unusual graphs
        raise ResbenchError(
            f"{model_path}: cannot be made {precision} ({one_line(error)}); leave {precision} out of `precisions`"
        ) from error
    with atomic(onnx_path) as temporary:
        onnx.save_model(made, temporary)
        open_session(temporary, BASE_PROVIDER.name, threads)


def quantized_nodes(graph: ModelProto) -> list[str]:
    """Return the names of the nodes that int8 makes faster.

    They are the layers with constant weights, and the nodes that pass their values on: a follower whose inputs all come
    from such layers. A product or sum with a constant that only leads to float, as within GELU, is not one of them.

    Args:
        graph: The fp32 graph.

    Returns:
        The names.
    """
    constants = {weight.name for weight in graph.graph.initializer}
    chosen: dict[str, NodeProto] = {}
    reached: set[str] = set()  # values that come from a layer with weights
    for node in graph.graph.node:
        if node.op_type in WEIGHTED:
            fits = len(node.input) > 1 and node.input[1] in constants
        else:
            computed = [name for name in node.input if name and name not in constants]
            fits = node.op_type in FOLLOWERS and bool(computed) and reached.issuperset(computed)
        if fits:
            chosen[node.name] = node
            reached.update(node.output)
    for node in reversed(graph.graph.node):
        readers = [other.name for other in graph.graph.node if node.output[0] in other.input]
        scaled = node.op_type in ("Add", "Mul") and constants.intersection(node.input)
        if node.name in chosen and scaled and not any(name in chosen for name in readers):
            del chosen[node.name]
    return list(chosen)


def ends(graph: ModelProto) -> list[str]:
    """Return the nodes that int8 would harm more than speed up: the first convolution, dense layers with few weights.

    They would round the image itself, or the logits. A dense layer after a Flatten has most of a network's weights and
    is not one of them. A network that has no other layers with weights has no ends, so that int8 can be made of it.

    Args:
        graph: The fp32 graph.

    Returns:
        The names.
    """
    nodes = graph.graph.node
    producers = {output: node.op_type for node in nodes for output in node.output}
    convolutions = [node.name for node in nodes if node.op_type == "Conv"]
    dense = [node for node in nodes if node.op_type == "Gemm"] + _dense_without_bias(graph)
    names = [*convolutions[:1], *(node.name for node in dense if producers[node.input[0]] != "Reshape")]
    quantized = set(quantized_nodes(graph)).difference(names)
    return names if any(node.op_type in WEIGHTED for node in nodes if node.name in quantized) else []


def to_int8(
    graph: ModelProto,
    images: NDArray[np.uint8],
    method: str,
    in_float: list[str],
    *,
    threads: int,
    weight_bits: int = 7,
) -> ModelProto:
    """Quantise a graph statically, in the QDQ format: uint8 activations, int8 weights with a scale for each channel.

    ONNX Runtime and OpenVINO run this format on x86 processors' 8-bit dot products. The preparation of pixels, before
    the first convolution, and the softmax stay in float.

    Args:
        graph: The fp32 graph, as `to_onnx` makes it.
        images: uint8 (N, 32, 32, 3), on which the ranges of activations are measured.
        method: minmax, the complete range; entropy, ONNX Runtime's search for the range of least divergence (after
            Migacz 2017, "8-bit inference with TensorRT"), which with its 128 bins keeps the complete range of the first
            16 images and decides only about what later ones add; percentile, the range of 99.999 % of the values.
        in_float: Names of further nodes that stay in float.
        threads: Threads of the calibration.
        weight_bits: 7 or 8. A processor without VNNI adds two products of 8 bits in 16, where 8-bit weights overflow
            without an error; with 7 bits every processor gives the same results.

    Returns:
        The int8 graph.

    Raises:
        ValueError: No layer with weights is left that int8 makes faster.
    """
    graph = _enter_by_convolution(graph, in_float)
    chosen = [name for name in quantized_nodes(graph) if name not in in_float]
    types = sorted({node.op_type for node in graph.graph.node if node.name in chosen})
    if not set(types) & set(WEIGHTED):
        raise ValueError("no layer with weights is left that int8 makes faster")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fp32.onnx"
        onnx.save_model(graph, path)
        quantizer = QDQQuantizer(
            load_model_with_shape_infer(path),
            per_channel=True,
            reduce_range=weight_bits == 7,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=_calibrate(path, images, method, threads, types),
            nodes_to_quantize=chosen,
            nodes_to_exclude=[],
            op_types_to_quantize=types,
            extra_options={},
        )
    quantizer.quantize_model()
    return _cleaned(quantizer.model.model, graph)


def to_fp16(graph: ModelProto) -> ModelProto:
    """Convert weights and arithmetic to float16; pixels go in as uint8, probabilities come out as float32.

    Every softmax computes in float32, since float16 cannot hold small probabilities. Where the network's values are too
    large for float16, or an operator does not support it, only the layers with weights and the nodes that pass their
    values on are converted.

    Args:
        graph: The fp32 graph.

    Returns:
        The fp16 graph.

    Raises:
        ValueError: The network has no softmax, or its values do not fit into float16 even so.
    """
    softmaxes = [node.name for node in graph.graph.node if node.op_type == "Softmax"]
    if not softmaxes:
        raise ValueError("it has no Softmax")
    in_float = [node.name for node in graph.graph.node if node.op_type not in (*WEIGHTED, *FOLLOWERS)]
    images = np.random.default_rng(0).integers(0, 256, (CALIBRATION_BATCH, *IMAGE_SHAPE), dtype=np.uint8)
    (expected,) = outputs(graph, images)
    half = _in_float16(graph, softmaxes)
    try:
        (actual,) = outputs(half, images)
        if np.abs(actual - expected).max() <= FP16_LARGEST_CHANGE:  # false for NaN
            return half
    except Exception:  # an operator that has no float16; the runtime's exceptions share no narrower base
        pass
    half = _in_float16(graph, in_float)
    (actual,) = outputs(half, images)
    if not np.isfinite(actual).all():
        raise ValueError("its values do not fit into float16")
    return half


def _dense_without_bias(graph: ModelProto) -> list[NodeProto]:
    """Return the products of a matrix and constant weights: dense layers without a bias, or with one of zeros."""
    constants = {weight.name: len(weight.dims) for weight in graph.graph.initializer}
    inferred = onnx.shape_inference.infer_shapes(graph, data_prop=True).graph.value_info
    matrices = {value.name for value in inferred if len(value.type.tensor_type.shape.dim) == 2}
    products = [node for node in graph.graph.node if node.op_type == "MatMul"]
    return [node for node in products if node.input[0] in matrices and constants.get(node.input[1]) == 2]


def _drop_repeated(nodes: Any) -> None:
    """Remove nodes with the same outputs as an earlier one: casts that the converter makes twice."""
    given: set[str] = set()
    for node in list(nodes):
        if given.issuperset(node.output):
            nodes.remove(node)
        given.update(node.output)


def _enter_by_convolution(graph: ModelProto, in_float: list[str]) -> ModelProto:
    """Return the graph with a 1×1 convolution of the identity where a residual stream begins in float.

    ONNX Runtime keeps 8-bit convolutions in another memory layout than float values. Each addition whose shortcut
    leads back to a convolution in float, through other additions, would cost two transpositions; this costs one.
    """
    changed = ModelProto()
    changed.CopyFrom(graph)
    nodes = changed.graph.node
    kernels = {weight.name: weight.dims for weight in changed.graph.initializer}
    for convolution in [node for node in nodes if node.op_type == "Conv" and node.name in in_float]:
        last, readers = convolution, _readers(changed, convolution)
        if [node.op_type for node in readers] == ["Relu"]:
            last, readers = readers[0], _readers(changed, readers[0])
        if len(readers) < 2 or not any(node.op_type == "Add" for node in readers):
            continue
        channels, value, name = kernels[convolution.input[1]][0], last.output[0], f"{convolution.name}_entry"
        identity = np.eye(channels, dtype=np.float32).reshape(channels, channels, 1, 1)
        changed.graph.initializer.append(onnx.numpy_helper.from_array(identity, f"{name}.weight"))
        for reader in readers:
            reader.input[:] = [f"{name}:0" if source == value else source for source in reader.input]
        entry = onnx.helper.make_node("Conv", [value, f"{name}.weight"], [f"{name}:0"], name, kernel_shape=[1, 1])
        nodes.insert(list(nodes).index(last) + 1, entry)
    return changed


def _readers(graph: ModelProto, node: NodeProto) -> list[NodeProto]:
    return [other for other in graph.graph.node if node.output[0] in other.input]


def _in_float16(graph: ModelProto, in_float32: list[str]) -> ModelProto:
    """Return the graph in float16, except for the nodes of these names."""
    copy = ModelProto()
    copy.CopyFrom(graph)
    half = convert_float_to_float16(copy, keep_io_types=True, node_block_list=in_float32)
    _drop_repeated(half.graph.node)
    last = next(node.name for node in graph.graph.node if graph.graph.output[0].name in node.output)
    if last in in_float32:
        _end_with(half.graph.node, last, graph.graph.output[0].name)
    return _cleaned(half, graph)


class _Batch(CalibrationDataReader):
    """One batch of images, then no more."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.feeds = iter([{"image": images}])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self.feeds, None)


def _calibration_set(
    facts: dict[str, Any], model_path: Path, data_path: Path, images: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Indices and pixels of images that the model was trained on: training takes the data's first ones."""
    data = load_split(data_path).images
    if facts.get("train_sha256") != sha256(data_path):
        raise ResbenchError(f"{data_path}: not the images that {model_path} was trained on; name those")
    count = str(facts.get("train_images", ""))
    if not count.isdecimal() or not 0 < int(count) <= len(data):
        raise ResbenchError(f"{model_path}: its metadata are malformed; export it again")
    chosen = np.sort(np.random.default_rng(seed).choice(int(count), min(images, int(count)), replace=False))
    return chosen, data[chosen]


def _calibrate(path: Path, images: NDArray[np.uint8], method: str, threads: int, types: list[str]) -> TensorsData:
    """The range of every activation over the images."""
    augmented = path.with_name("augmented.onnx")
    kind, options = CALIBRATION_METHODS[method]
    calibrator = getattr(calibrate, kind)(path, types, augmented_model_path=augmented, **options)
    calibrator.augment_graph()
    # Its own session would pin threads to cores that a batch job may not own.
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    calibrator.infer_session = ort.InferenceSession(augmented, settings, providers=[BASE_PROVIDER.native_name])
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        for start in range(0, len(images), CALIBRATION_BATCH):
            calibrator.collect_data(_Batch(images[start : start + CALIBRATION_BATCH]))
        return calibrator.compute_data()


def _end_with(nodes: Any, last: str, output: str) -> None:
    """Let the node of that name compute the output directly, without the casts to float16 and back after it."""
    node: NodeProto = next(node for node in nodes if node.name == last)
    behind = {node.output[0]}
    for cast in [other for other in nodes if other.op_type == "Cast"]:
        if cast.input[0] in behind or cast.output[0] == output:
            behind.add(cast.output[0])
            nodes.remove(cast)
    node.output[0] = output


def _cleaned(made: ModelProto, source: ModelProto) -> ModelProto:
    """Return a model with its nodes in order, without annotations of tools, and with the versions of the source."""
    ONNXModel(made).topological_sort()
    del made.graph.value_info[:]
    model: ModelProto = onnx.helper.make_model(
        made.graph, ir_version=source.ir_version, opset_imports=source.opset_import, producer_name=source.producer_name
    )
    return model
