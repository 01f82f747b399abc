"""Execution providers: one record each.  No other module compares provider names.

Importing this module imports no runtime: the configuration and the command line list the providers without one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from resbench.common.names import look_up

COARSE_TOLERANCE = 0.05  # of a probability, where arithmetic is int8, float16 or TF32

_NEEDS_BOUND_BUFFERS = "replays calls on fixed device buffers, but every call here has an array of its own"
_IS_AN_ADDRESS = "is an address in another program's memory"
_CUDA_REFUSED = MappingProxyType(
    {
        "enable_cuda_graph": _NEEDS_BOUND_BUFFERS,
        "gpu_external_alloc": _IS_AN_ADDRESS,
        "gpu_external_empty_cache": _IS_AN_ADDRESS,
        "gpu_external_free": _IS_AN_ADDRESS,
        "has_user_compute_stream": _IS_AN_ADDRESS,
        "user_compute_stream": _IS_AN_ADDRESS,
    }
)
_TENSORRT_REFUSED = MappingProxyType(
    {
        "has_user_compute_stream": _IS_AN_ADDRESS,
        "trt_cuda_graph_enable": _NEEDS_BOUND_BUFFERS,
        "trt_onnx_bytestream": _IS_AN_ADDRESS,
        "user_compute_stream": _IS_AN_ADDRESS,
    }
)
_OPENVINO_REFUSED = MappingProxyType(
    {
        "DEVICE_ID": "would select another device than the processor",
        "INFERENCE_NUM_THREADS": "is set by the number of threads",
    }
)
_OFF = ("", "0", "false", "none")


@dataclass(frozen=True)
class Provider:
    """What resbench needs to know about one execution provider.

    Attributes:
        name: Name in the configuration, in file names and in report.csv; only lower-case letters.
        title: Name shown to readers.
        backend: Key of the runtime that executes it, in `resbench.runtime.backend.BACKENDS`.
        native_name: The runtime's own name of the provider or device.
        needs_gpu: Whether its jobs occupy a GPU.
        precisions: Precisions that are worth measuring on it.
        tolerance: Largest accepted difference of a probability from a stored one, for fp32 models.
        triton_kind: `KIND_CPU` or `KIND_GPU` in config.pbtxt.
        triton_accelerator: Triton's name of the accelerator that its ONNX Runtime backend uses; empty for its default.
        extra: The optional dependency of resbench that brings it; empty where the base install does.
        default_options: Options that are set unless the user sets another value.
        refused_options: Options that cannot work with how models are called here, each with the reason.
    """

    name: str
    title: str
    backend: str
    native_name: str
    needs_gpu: bool
    precisions: frozenset[str]
    tolerance: float
    triton_kind: str
    triton_accelerator: str = ""
    extra: str = ""
    default_options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    refused_options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def supports(self, precision: str) -> bool:
        """Return whether models of a precision are measured on this provider.

        Args:
            precision: `fp32`, `int8` or `fp16`; empty counts as fp32.

        Returns:
            True where they are.
        """
        return (precision or "fp32") in self.precisions

    def tolerance_of(self, precision: str) -> float:
        """Return the largest accepted difference of a probability from a stored one.

        Args:
            precision: Precision of the model; empty counts as fp32.

        Returns:
            A probability.
        """
        return self.tolerance if precision in ("", "fp32") else max(self.tolerance, COARSE_TOLERANCE)

    def refusal(self, option: str, value: str) -> str | None:
        """Return why an option cannot be used with a value.

        Args:
            option: Name of the option, as the runtime spells it.
            value: Its value as text; an option that is switched off is never refused.

        Returns:
            The reason in one line, naming the option; None where it can be used.
        """
        reason = self.refused_options.get(option)
        if reason is None or value.strip().lower() in _OFF:
            return None
        return f"{option} {reason}; leave it out"


PROVIDERS: dict[str, Provider] = {
    record.name: record
    for record in (
        Provider(
            name="cpu",
            title="CPU",
            backend="onnxruntime",
            native_name="CPUExecutionProvider",
            needs_gpu=False,
            precisions=frozenset({"fp32", "int8"}),
            tolerance=1e-3,
            triton_kind="KIND_CPU",
        ),
        Provider(
            name="cuda",
            title="CUDA",
            backend="onnxruntime",
            native_name="CUDAExecutionProvider",
            needs_gpu=True,
            precisions=frozenset({"fp32", "fp16"}),
            tolerance=COARSE_TOLERANCE,
            triton_kind="KIND_GPU",
            extra="gpu",
            refused_options=_CUDA_REFUSED,
        ),
        Provider(
            name="tensorrt",
            title="TensorRT",
            backend="onnxruntime",
            native_name="TensorrtExecutionProvider",
            needs_gpu=True,
            precisions=frozenset({"fp32", "fp16"}),
            tolerance=COARSE_TOLERANCE,
            triton_kind="KIND_GPU",
            triton_accelerator="tensorrt",
            extra="gpu",
            refused_options=_TENSORRT_REFUSED,
        ),
        Provider(
            name="openvino",
            title="OpenVINO",
            backend="openvino",
            native_name="CPU",
            needs_gpu=False,
            precisions=frozenset({"fp32", "int8"}),
            tolerance=1e-3,
            triton_kind="KIND_CPU",
            triton_accelerator="openvino",
            extra="openvino",
            # Its default on processors with AMX or AVX512-BF16 is bfloat16, which is another model.
            default_options=MappingProxyType({"INFERENCE_PRECISION_HINT": "f32"}),
            refused_options=_OPENVINO_REFUSED,
        ),
    )
}

# Every install has it: export compares the fp32 graph with Keras on it, and stages read models on it.
BASE_PROVIDER = PROVIDERS["cpu"]


def provider(name: str) -> Provider:
    """Return the provider of that name.

    Args:
        name: A key of `PROVIDERS`.

    Returns:
        Its record.

    Raises:
        ResbenchError: There is no provider of that name.
    """
    return look_up("execution provider", name, PROVIDERS)
