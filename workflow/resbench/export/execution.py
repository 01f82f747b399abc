"""Running a graph while it is made: as it is, since optimising it would take longer than a few images do."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto

SILENT = 4  # severity of ONNX Runtime's log: an exception says it again


def outputs(graph: ModelProto, images: NDArray[np.uint8], names: Sequence[str] = ()) -> list[NDArray[Any]]:
    """Return what the graph computes for images: the values of these names, or its outputs where there are none.

    Raises:
        Exception: the runtime's, which share no narrower base, where the graph does not load or run.
    """
    settings = ort.SessionOptions()
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads = 1
    settings.log_severity_level = SILENT
    session = ort.InferenceSession(graph.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    wanted = list(names) or [value.name for value in graph.graph.output]
    found: list[NDArray[Any]] = session.run(wanted, {graph.graph.input[0].name: images})
    return found
