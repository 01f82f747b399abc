"""Execution of a graph while it is built, without optimisation, which would take longer than a few images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto

SILENT = 4  # severity of ONNX Runtime's log; exceptions have the same messages


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
    settings = ort.SessionOptions()
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads = 1
    settings.log_severity_level = SILENT
    session = ort.InferenceSession(graph.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    wanted = list(names) or [value.name for value in graph.graph.output]
    values: list[NDArray[Any]] = session.run(wanted, {graph.graph.input[0].name: images})
    return values
