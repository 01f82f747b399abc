"""A library's message becomes one line that says the cause."""

import pytest
from resbench.common.errors import one_line

# As ONNX Runtime 1.26 raises them.
CALL = (
    "std::conditional_t<THRW, void, onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, "
    "const char*, SUCCTYPE, const char*, const char*, int) [with ERRTYPE = cudaError; bool THRW = true; "
    "SUCCTYPE = cudaError; std::conditional_t<THRW, void, common::Status> = void]"
)
PLACES = "".join(f"/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:{line} {CALL} " for line in (122, 114))
CAUSE = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ;"
TENSORRT = (
    "/onnxruntime_src/onnxruntime/python/onnxruntime_pybind_state.cc:534 void "
    "onnxruntime::python::RegisterTensorRTPluginsAsCustomOps(PySessionOptions&, const onnxruntime::ProviderOptions&) "
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{PLACES}{CAUSE} \n\n", CAUSE),
        (f"[ONNXRuntimeError] : 1 : FAIL : running Conv_0: {PLACES}{CAUSE}", f"running Conv_0: {CAUSE}"),
        (f"{TENSORRT}Please install TensorRT libraries.\n", "Please install TensorRT libraries."),
        (f"{TENSORRT}[ONNXRuntimeError] : 1 : FAIL : no library", "no library"),
        ("", "ValueError"),
    ],
)
def test_the_cause_is_said_and_not_the_place_in_the_source(text: str, line: str) -> None:
    assert one_line(ValueError(text)) == line
