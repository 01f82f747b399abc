"""The registry of execution providers: complete records, importable alone, compared nowhere else."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from resbench.common.errors import ResbenchError
from resbench.runtime import providers
from resbench.runtime.providers import BASE_PROVIDER, PROVIDERS, provider

ROOT = Path(__file__).parents[3]
NO_RUNTIME = """
import sys
import resbench.runtime.providers
print(sorted({"onnxruntime", "openvino", "onnx", "numpy", "tensorflow"} & {*sys.modules}))
"""


@pytest.mark.parametrize("record", PROVIDERS.values(), ids=PROVIDERS)
def test_record_is_complete(record):
    assert PROVIDERS[record.name] is record
    assert re.fullmatch("[a-z]+", record.name)  # file names are PRECISION-PROVIDER.npz
    assert record.title
    assert "fp32" in record.precisions
    assert record.triton_kind == ("KIND_GPU" if record.needs_gpu else "KIND_CPU")
    assert not {*record.default_options} & {*record.refused_options}


def test_registry_is_importable_without_a_runtime():
    path = os.pathsep.join(filter(None, sys.path))
    output = subprocess.check_output(
        [sys.executable, "-c", NO_RUNTIME], env=os.environ | {"PYTHONPATH": path}, text=True
    )
    assert output.strip() == "[]"


def test_unknown_provider_is_refused_with_the_names_there_are():
    with pytest.raises(ResbenchError, match=r"'rocm' is unknown \(known: cpu, cuda, tensorrt, openvino\)"):
        provider("rocm")


def test_int8_is_measured_on_processors_and_fp16_on_gpus():
    for record in PROVIDERS.values():
        assert record.supports("")
        assert record.supports("fp16") == record.needs_gpu
        assert record.supports("int8") != record.needs_gpu


def test_tolerance_is_tight_for_fp32_on_a_processor_alone():
    assert BASE_PROVIDER.tolerance_of("fp32") == BASE_PROVIDER.tolerance_of("") == 1e-3
    assert BASE_PROVIDER.tolerance_of("int8") == providers.COARSE_TOLERANCE
    assert provider("cuda").tolerance_of("fp32") == providers.COARSE_TOLERANCE


@pytest.mark.parametrize(
    ("name", "option", "value", "refused"),
    [
        ("cuda", "enable_cuda_graph", "1", "enable_cuda_graph replays calls on fixed device buffers"),
        ("cuda", "enable_cuda_graph", "True", "leave it out"),
        ("cuda", "enable_cuda_graph", "0", None),
        ("cuda", "use_tf32", "0", None),
        ("cuda", "user_compute_stream", "140234", "user_compute_stream is an address"),
        ("tensorrt", "trt_cuda_graph_enable", "1", "fixed device buffers"),
        ("openvino", "INFERENCE_NUM_THREADS", "8", "set by the number of threads"),
        ("openvino", "NUM_STREAMS", "2", None),
    ],
)
def test_options_that_cannot_work_are_refused_with_the_reason(name, option, value, refused):
    found = provider(name).refusal(option, value)
    assert found is None if refused is None else refused in found


def test_no_other_module_compares_provider_names():
    """A condition on a name is a property that the record lacks."""
    names = "|".join(PROVIDERS)
    comparison = re.compile(rf"""provider\w*["'\]]?\)? *(==|!=|in|not in) *[\[({{]*["']({names})["']""")
    for path in [*ROOT.glob("workflow/**/*.py"), *ROOT.glob("workflow/**/*.smk"), *ROOT.glob("perf/*.py")]:
        if path.name != "providers.py":
            assert not comparison.findall(path.read_text()), path
