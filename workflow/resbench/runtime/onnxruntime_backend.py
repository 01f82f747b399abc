"""ONNX Runtime: sessions in which every node runs on the requested provider."""

import contextlib
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from resbench.common.errors import installing, one_line
from resbench.common.system import has_nvidia_gpu
from resbench.runtime.backend import Backend, LoadError, Runtime, Session, Tensor
from resbench.runtime.providers import Provider

LOG_ERRORS = 3
TYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


class OnnxRuntimeSession:
    """One `InferenceSession`; see `Session` for its methods."""

    def __init__(self, session: ort.InferenceSession, provider: Provider) -> None:
        """Wrap a session; raises UnicodeDecodeError where the file's names are not text."""
        self._session = session
        self._provider = provider
        self.inputs = [_tensor(node) for node in session.get_inputs()]
        self.outputs = [_tensor(node) for node in session.get_outputs()]
        self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the model on a batch; see `Session.run`.

        Args:
            images: uint8 (N, 32, 32, 3).

        Returns:
            float32 (N, C).
        """
        (probabilities,) = self._session.run(["probabilities"], {"image": images})
        return probabilities

    def node_placement(self) -> dict[str, int]:
        """Return where the nodes are executed; see `Session.node_placement`.

        Returns:
            The number of nodes on each provider.
        """
        counts: Counter[str] = Counter()
        for part in self._session.get_provider_graph_assignment_info():
            counts[part.ep_name] += len(part.get_nodes())
        return dict(counts)

    def options(self) -> dict[str, str]:
        """Return the provider's options in effect.

        Returns:
            Their values, by ONNX Runtime's names.
        """
        return dict(self._session.get_provider_options()[self._provider.native_name])


class OnnxRuntimeBackend:
    """ONNX Runtime with one execution provider.

    By default it uses the CPU without an error when a GPU library is missing, and for single nodes that the provider
    does not support. Both are refused here.
    """

    def runtime(self) -> Runtime:
        """Return name and version.

        Returns:
            The description.
        """
        return Runtime("ONNX Runtime", ort.__version__, ort.cuda_version or None)

    def unavailable(self, provider: Provider) -> str | None:
        """Return what is missing for a provider; a library that is not installed is found only by `open`.

        Args:
            provider: One of this backend's.

        Returns:
            The reason in one line; None where nothing is known to be missing.
        """
        if provider.needs_gpu and not has_nvidia_gpu():
            return (
                "no NVIDIA GPU here (no /dev/nvidia*, and nvidia-smi lists none); "
                "run on a GPU machine, or measure on the provider cpu"
            )
        if provider.native_name not in ort.get_available_providers():
            return f"this build of onnxruntime lacks it; {installing(provider.extra)}"
        return None

    def open(self, model: Path, provider: Provider, threads: int, options: Mapping[str, str]) -> Session:
        """Load a model; see `Backend.open`.

        The number of threads is always set: the default pins threads to cores that a job may not own.

        Args:
            model: An existing .onnx file, untrusted.
            provider: One of this backend's.
            threads: Threads that one call may use.
            options: Options of the provider.

        Returns:
            The session.

        Raises:
            LoadError: The file is not a model, or it cannot run on the provider.
        """
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = LOG_ERRORS
        settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if provider.needs_gpu:
            settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            with contextlib.redirect_stdout(sys.stderr):  # it prints which libraries are missing
                ort.preload_dlls()
        else:
            ort.set_default_logger_severity(LOG_ERRORS + 1)  # the exception says the same
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
