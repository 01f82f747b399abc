"""ONNX Runtime: sessions that run on the provider asked for, with every node, or not at all."""

import contextlib
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from resbench.common.errors import one_line
from resbench.common.system import has_nvidia_gpu
from resbench.runtime.backend import Backend, LoadError, Runtime, Session, Tensor
from resbench.runtime.providers import Provider

LOG_ERRORS = 3
TYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


class OnnxRuntimeSession:
    """One `InferenceSession`."""

    def __init__(self, session: ort.InferenceSession, provider: Provider) -> None:
        """Raises UnicodeDecodeError where the file's names are no text."""
        self._session = session
        self._provider = provider
        self.inputs = [_tensor(node) for node in session.get_inputs()]
        self.outputs = [_tensor(node) for node in session.get_outputs()]
        self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        (probabilities,) = self._session.run(["probabilities"], {"image": images})
        return probabilities

    def node_placement(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for part in self._session.get_provider_graph_assignment_info():
            counts[part.ep_name] += len(part.get_nodes())
        return dict(counts)

    def options(self) -> dict[str, str]:
        return dict(self._session.get_provider_options()[self._provider.native_name])


class OnnxRuntimeBackend:
    """ONNX Runtime with one execution provider.

    By itself it falls back to the CPU without an error when a GPU library is missing, and places single
    nodes there when the provider lacks them.  Both are refused here.
    """

    def runtime(self) -> Runtime:
        return Runtime("ONNX Runtime", ort.__version__, ort.cuda_version or None)

    def unavailable(self, provider: Provider) -> str | None:
        """See `Backend`.  A library that is not installed shows only when a session is opened: `open` says which."""
        if provider.needs_gpu and not has_nvidia_gpu():
            return (
                "no NVIDIA GPU here (no /dev/nvidia*, and nvidia-smi lists none); "
                "run on a GPU machine, or use --provider cpu"
            )
        if provider.native_name not in ort.get_available_providers():
            return f"this build of onnxruntime lacks it; install resbench[{provider.extra}]"
        return None

    def open(self, model: Path, provider: Provider, threads: int, options: Mapping[str, str]) -> Session:
        """See `Backend`.  The threads are always given: the default pins them to cores that a job may not own."""
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = LOG_ERRORS
        settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if provider.needs_gpu:
            settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find
                ort.preload_dlls()
        else:
            ort.set_default_logger_severity(LOG_ERRORS + 1)  # what it would print, the exception says again
        providers = [(provider.native_name, dict(options))]
        try:
            session = ort.InferenceSession(model, settings, providers=providers, enable_fallback=0)
        except Exception as error:  # the runtime's exceptions share no narrower base
            raise LoadError(one_line(error)) from error
        got = session.get_providers()[0]
        if got != provider.native_name:
            raise LoadError(f"ONNX Runtime gave {got} instead")
        try:
            return OnnxRuntimeSession(session, provider)
        except UnicodeDecodeError as error:
            raise LoadError("its names are not text in UTF-8") from error


def _tensor(node: ort.NodeArg) -> Tensor:
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Tensor(node.name, TYPES.get(node.type, node.type), shape)


BACKEND: Backend = OnnxRuntimeBackend()
