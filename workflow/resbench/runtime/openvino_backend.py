"""OpenVINO: runs the same .onnx files on the processor."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino.frontend import FrontEndManager

from resbench.common.errors import one_line
from resbench.runtime.backend import Backend, LoadError, Runtime, Session, Tensor
from resbench.runtime.providers import Provider

CONSTANT = ("Const", "Input", "Output")  # layers of the runtime's graph that compute nothing
PLACES = ("Exception from", "Check", "FrontEnd API failed")  # lines of its messages that give only places in its source
# The options that matter for speed or arithmetic on a processor.
REPORTED = (
    *("INFERENCE_PRECISION_HINT", "EXECUTION_MODE_HINT", "PERFORMANCE_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS"),
    *("ENABLE_CPU_PINNING", "ENABLE_HYPER_THREADING", "SCHEDULING_CORE_TYPE", "CPU_DENORMALS_OPTIMIZATION"),
    "RUNTIME_REQUIREMENTS",
)


class OpenVinoSession:
    """One compiled model, called from one thread; see `Session` for its methods."""

    def __init__(self, source: ov.Model, compiled: ov.CompiledModel) -> None:
        self._source = source
        self._compiled = compiled
        self._request = compiled.create_infer_request()

    @property
    def inputs(self) -> list[Tensor]:
        """Return the model's inputs."""
        return [_tensor(port) for port in self._source.inputs]

    @property
    def outputs(self) -> list[Tensor]:
        """Return the model's outputs."""
        return [_tensor(port) for port in self._source.outputs]

    @property
    def metadata(self) -> Mapping[str, str]:
        """Return the custom metadata of the .onnx file."""
        if not self._source.has_rt_info("framework"):
            return {}
        return {str(key): value.astype(str) for key, value in self._source.get_rt_info()["framework"].items()}

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the model on a batch; see `Session.run`.

        Args:
            images: uint8 (N, 32, 32, 3).

        Returns:
            float32 (N, C).
        """
        probabilities: NDArray[np.float32] = self._request.infer({"image": images}, share_inputs=True)[0]
        return probabilities

    def node_placement(self) -> dict[str, int]:
        """Return where the nodes are executed: all on one device; constants, inputs and outputs do not count.

        Returns:
            The number of nodes on the device.
        """
        (device,) = self._compiled.get_property("EXECUTION_DEVICES")
        counts: Counter[str] = Counter()
        for node in self._compiled.get_runtime_model().get_ordered_ops():
            if node.get_rt_info()["layerType"].astype(str) not in CONSTANT:
                counts[device] += 1
        return dict(counts)

    def options(self) -> dict[str, str]:
        """Return the options in effect that matter for speed or arithmetic.

        Returns:
            Their values, by OpenVINO's names.
        """
        return {name: _text(self._compiled.get_property(name)) for name in REPORTED}


class OpenVinoBackend:
    """OpenVINO's processor plug-in, with its own ONNX reader."""

    def runtime(self) -> Runtime:
        """Return name and version.

        Returns:
            The description.
        """
        return Runtime("OpenVINO", ov.__version__.partition("-")[0])

    def unavailable(self, provider: Provider) -> str | None:
        """Return what is missing for a provider.

        Args:
            provider: One of this backend's.

        Returns:
            The reason in one line; None where nothing is missing.
        """
        if provider.native_name not in ov.Core().available_devices:
            return f"OpenVINO finds no device {provider.native_name} here"
        return None

    def open(self, model: Path, provider: Provider, threads: int, options: Mapping[str, str]) -> Session:
        """Load a model; see `Backend.open`.

        It gets one stream with all threads, so that a single call is as fast as possible, as in ONNX Runtime.

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
        settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
        reader = FrontEndManager().load_by_framework("onnx")  # Core.read_model would try every format in turn
        try:
            source = reader.convert(reader.load(model))
            compiled = ov.Core().compile_model(source, provider.native_name, settings | dict(options))
        except Exception as error:  # its exceptions share no narrower base
            raise LoadError(_cause(error)) from error
        devices = compiled.get_property("EXECUTION_DEVICES")
        if devices != [provider.native_name]:
            raise LoadError(f"OpenVINO gave {', '.join(devices)} instead")
        return OpenVinoSession(source, compiled)


def _tensor(port: Any) -> Tensor:
    shape = port.get_partial_shape()
    sizes = () if shape.rank.is_dynamic else tuple(size.get_length() if size.is_static else None for size in shape)
    return Tensor(port.any_name, np.dtype(port.element_type.to_dtype()).name, sizes)


def _text(value: Any) -> str:
    """Return a property as a text that can be passed as an option again: an enumeration's member as its name."""
    if isinstance(value, ov.Type):
        return str(value.get_type_name())
    return str(getattr(value, "name", value))


def _cause(error: BaseException) -> str:
    """Return what went wrong, without the places in OpenVINO's source that the exception passed."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith(PLACES)]
    return one_line(RuntimeError(" ".join(lines))) if lines else one_line(error)


BACKEND: Backend = OpenVinoBackend()
