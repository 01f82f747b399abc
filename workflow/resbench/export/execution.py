"""Execution of a graph while it is built, without optimisation, which would take longer than a few images."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto

from resbench.runtime.providers import BASE_PROVIDER

SHAPES = ("input_type_shape", "output_type_shape")  # of an event in ONNX Runtime's profile
ROUNDING = 4  # times the difference of two orders of adding: Keras has a third one
MOST = 0.01  # of a probability; beyond, a difference is no rounding, whatever the graph does
SILENT = 4  # severity of ONNX Runtime's log; exceptions have the same messages


class Execution(NamedTuple):
    """One execution of a node, with the shapes of its inputs and outputs."""

    node: str
    inputs: list[list[int]]
    outputs: list[list[int]]


def executions(graph: ModelProto, images: NDArray[np.uint8]) -> list[Execution]:
    """Return what is executed for images, node by node; a node in a loop appears once for each iteration.

    Args:
        graph: The graph, which is run without optimisation.
        images: Its input.

    Returns:
        The executions, in their order.
    """
    settings = _settings()
    settings.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        settings.profile_file_prefix = str(Path(folder, "profile"))
        session = _session(graph, settings)
        session.run(None, {graph.graph.input[0].name: images})
        events = json.loads(Path(session.end_profiling()).read_text())
    kernel = "_kernel_time"
    return [
        Execution(event["name"].removesuffix(kernel), *(_shapes(event["args"][key]) for key in SHAPES))
        for event in events
        if event["name"].endswith(kernel)
    ]


def _shapes(tensors: list[dict[str, list[int]]]) -> list[list[int]]:
    return [shape for one in tensors for shape in one.values()]


def outputs(graph: ModelProto, images: NDArray[np.uint8], names: Sequence[str] = ()) -> list[NDArray[Any]]:
    """Return what a graph computes for images.

    Args:
        graph: The graph, which is run without optimisation.
        images: Its input.
        names: Values to return; none returns the graph's outputs.

    Returns:
        The values.

    Raises:
        Exception: The runtime's, which have no narrower common base, where the graph does not load or run.
    """
    session = _session(graph, _settings())
    wanted = list(names) or [value.name for value in graph.graph.output]
    values: list[NDArray[Any]] = session.run(wanted, {graph.graph.input[0].name: images})
    return values


def tolerance(graph: ModelProto, images: NDArray[np.uint8], least: float, difference: float) -> float:
    """Return how far two computations of the same graph in float32 may be apart.

    Some deep networks amplify rounding, so that Keras differs from itself where it adds in another order. The graph
    with and without the runtime's optimisation is the same function in two orders: ROUNDING times their difference is
    allowed, where that is more than `least`, and never more than MOST.

    Args:
        graph: The graph.
        images: Its input, as in the comparison.
        least: Tolerance for other networks.
        difference: What was found; the graph runs only where it is more than `least`, or NaN.

    Returns:
        The largest difference of an output to accept.
    """
    if difference <= least:
        return least
    session = _session(graph, _settings(ort.GraphOptimizationLevel.ORT_ENABLE_ALL))
    (optimised,) = session.run(None, {graph.graph.input[0].name: images})
    rounding = float(np.abs(optimised - outputs(graph, images)[0]).max())
    return max(least, min(ROUNDING * rounding, MOST))


def _session(graph: ModelProto, settings: ort.SessionOptions) -> ort.InferenceSession:
    return ort.InferenceSession(graph.SerializeToString(), settings, providers=[BASE_PROVIDER.native_name])


def _settings(level: Any = ort.GraphOptimizationLevel.ORT_DISABLE_ALL) -> ort.SessionOptions:
    settings = ort.SessionOptions()
    settings.graph_optimization_level = level
    settings.intra_op_num_threads = 1
    settings.log_severity_level = SILENT
    return settings
