"""Profile one model with ONNX Runtime, in a process that does nothing else and is never timed.

The job is JSON in the first argument, one batch of images is raw bytes on stdin, the result is JSON on stdout.
"""

import json
import math
import re
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, NodeProto, TensorProto, helper

from resbench import IMAGE_SHAPE
from resbench.benchmark.process import serve_parent
from resbench.common.errors import ResbenchError, one_line
from resbench.runtime.providers import BASE_PROVIDER

WARM_UP_CALLS = 5
CALLS = 30
KERNEL = "_kernel_time"  # the end of an event's name; the node's name comes before it
SUFFIX = re.compile(r"(_nchwc|_nhwc|_token_\d+)+$")  # what layout transformations append to a node's name
PRODUCT_SIZE = 384  # of the square matrices whose product gives the peak: below a millisecond, and in the caches
PRODUCT_S = 0.5


class Job(NamedTuple):
    """What to profile."""

    model: str
    batch_size: int
    threads: int


class Profile(NamedTuple):
    """What one process measured.

    Attributes:
        operators: For each: layer, operator, ms (median over calls), macs, integer and unfused.
        float_peak: Speed of a large float matrix product, 10^9 MACs/s.
        integer_peak: The same with integers.
    """

    operators: list[dict[str, Any]]
    float_peak: float
    integer_peak: float


def profile_model(job: Job, data: bytes) -> Profile:
    """Run the model under the profiler, then large matrix products in its arithmetic.

    Args:
        job: What to profile.
        data: One batch, uint8 (batch_size, 32, 32, 3).

    Returns:
        The profile.

    Raises:
        ResbenchError: The model fails.
    """
    images = np.frombuffer(data, np.uint8).reshape(job.batch_size, *IMAGE_SHAPE)
    try:
        graph = onnx.shape_inference.infer_shapes(onnx.load(job.model, load_external_data=False))
        events = _kernel_events(Path(job.model), images, job.threads)
    except Exception as error:  # neither library's exceptions share a narrower base
        raise ResbenchError(f"{job.model}: cannot be profiled ({one_line(error)}); export it again") from error
    layers = Layers(graph)
    float_peak, integer_peak = _peak(job.threads, "MatMul"), _peak(job.threads, "MatMulInteger")
    return Profile([_describe(name, runs, layers, job.batch_size) for name, runs in events], float_peak, integer_peak)


def _kernel_events(model: Path, images: np.ndarray, threads: int) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return each executed node's name with its events, one for each call after warm-up, in the order of execution."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        settings.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(model, settings, providers=[BASE_PROVIDER.native_name])
        for _ in range(WARM_UP_CALLS + CALLS):
            session.run(["probabilities"], {"image": images})
        events = json.loads(Path(session.end_profiling()).read_text())
    kernels: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(KERNEL):
            kernels.setdefault((event["name"], event["args"]["node_index"]), []).append(event)
    return [(name.removesuffix(KERNEL), runs[WARM_UP_CALLS:]) for (name, _), runs in kernels.items()]


class Layers:
    """The nodes of a model's file, by the runtime's names of the operators that it made of them."""

    def __init__(self, graph: ModelProto) -> None:
        """`graph` has the shapes of its tensors inferred."""
        nodes = graph.graph.node
        self._nodes = {node.name: node for node in nodes if node.name}
        self._producers = {output: node for node in nodes for output in node.output}
        self._shapes = {tensor.name: list(tensor.dims) for tensor in graph.graph.initializer}
        for value in (*graph.graph.value_info, *graph.graph.output):
            self._shapes[value.name] = [size.dim_value for size in value.type.tensor_type.shape.dim]

    def find(self, name: str) -> NodeProto | None:
        """Return the node that an executed operator came from.

        Args:
            name: The runtime's name of it; a convolution fused with later nodes is named for the last tensor of these.

        Returns:
            The node of the file; None where there is none.
        """
        plain = SUFFIX.sub("", name.removeprefix("fused "))
        node = self._nodes.get(plain) or self._producers.get(plain)
        while node is not None and node.op_type in ("Relu", "Clip", "Add") and plain not in self._nodes:
            node = self._producers.get(node.input[0])
        return node

    def macs(self, node: NodeProto) -> int:
        """Return the multiply-adds for one image.

        Of one operator of a file in any precision, by inferred shapes; `resbench.export.counts` counts a whole fp32
        graph by the shapes of a run, loops and attention included, which is what the report's `macs` are.

        Args:
            node: A node of the file.

        Returns:
            Their number; 0 where it multiplies no weights, or where a shape is unknown.
        """
        output, weights = self._shapes.get(node.output[0], []), self._shapes.get(self._weights(node), [])
        if not weights or len(output) < 2:
            return 0
        if node.op_type == "Conv":
            return math.prod(output[1:]) * math.prod(weights[1:])
        return math.prod(weights) if node.op_type in ("Gemm", "MatMul") and len(weights) == 2 else 0

    def quantized(self, node: NodeProto) -> bool:
        """Return whether the file gives a node only integers.

        Args:
            node: A node of the file.

        Returns:
            True where its first two inputs, or its only one, are dequantised.
        """
        sources = [self._producers.get(name) for name in node.input[:2]]
        return bool(sources) and all(one is not None and one.op_type == "DequantizeLinear" for one in sources)

    def _weights(self, node: NodeProto) -> str:
        name = node.input[1] if len(node.input) > 1 else ""
        source = self._producers.get(name)
        return source.input[0] if source is not None and source.op_type == "DequantizeLinear" else name


def _describe(name: str, runs: list[dict[str, Any]], layers: Layers, batch_size: int) -> dict[str, Any]:
    arguments = runs[0]["args"]
    operator = arguments["op_name"]
    outputs = arguments.get("output_type_shape") or [{}]
    integer = operator.startswith("Q") or not {"float", "float16"} & {*outputs[0]}
    node = layers.find(name)
    converts = operator in ("QuantizeLinear", "DequantizeLinear")
    return {
        "layer": node.name if node is not None and node.name else name,
        "operator": operator,
        "ms": max(float(np.median([run["dur"] for run in runs])), 0.5) / 1e3,  # the profiler counts in µs
        "macs": 0 if node is None or converts else layers.macs(node) * batch_size,
        "integer": integer,
        "unfused": node is not None and not converts and not integer and layers.quantized(node),
    }


def _peak(threads: int, operator: str) -> float:
    """Return how many 10^9 multiply-adds a second a large matrix product does, the best of PRODUCT_S seconds."""
    integer = operator == "MatMulInteger"
    random = np.random.default_rng(0)
    shape = [PRODUCT_SIZE, PRODUCT_SIZE]
    first = random.integers(0, 128, shape).astype(np.uint8 if integer else np.float32)
    second = random.integers(-64, 64, shape).astype(np.int8 if integer else np.float32)
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", helper.np_dtype_to_tensor_dtype(first.dtype), shape)],
        [helper.make_tensor_value_info("c", TensorProto.INT32 if integer else TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(second, "b")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), settings, providers=[BASE_PROVIDER.native_name])
    best, end = math.inf, time.monotonic() + PRODUCT_S
    while time.monotonic() < end:
        start = time.perf_counter()
        session.run(None, {"a": first})
        best = min(best, time.perf_counter() - start)
    return PRODUCT_SIZE**3 / best / 1e9


if __name__ == "__main__":
    serve_parent(Job, profile_model)
