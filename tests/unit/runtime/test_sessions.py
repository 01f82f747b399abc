"""A session is on the provider asked for, of a model that keeps the contract; anything else is one line of error."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from resbench.common.errors import ResbenchError
from resbench.common.system import available_cores
from resbench.data.store import Split, save_split
from resbench.runtime import onnxruntime_backend, sessions
from resbench.runtime.providers import PROVIDERS
from resbench.runtime.sessions import Identity, check_probabilities, identify, infer, open_session
from tiny_models import CLASSES, tiny_model, tiny_network

PROCESSORS = [name for name, record in PROVIDERS.items() if not record.needs_gpu]
no_gpu = pytest.mark.skipif(sessions.missing("cuda") is None, reason="needs a machine without GPU")


@pytest.fixture(params=PROCESSORS)
def processor(request):
    """Each provider that runs on any machine."""
    return request.param


def test_cpu_session_runs_on_the_cpu_with_the_threads_asked_for(tmp_path):
    session = open_session(tiny_model(tmp_path / "m.onnx"), "cpu", 1)._session
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == 1
    assert session.get_session_options().inter_op_num_threads == 1


def test_openvino_session_computes_in_float32_with_the_threads_asked_for(tmp_path):
    session = open_session(tiny_model(tmp_path / "m.onnx"), "openvino", 1)
    options = session.options()
    assert (options["INFERENCE_NUM_THREADS"], options["NUM_STREAMS"]) == ("1", "1")
    assert options["INFERENCE_PRECISION_HINT"] == "f32"  # by itself it takes bfloat16 where the processor has it
    assert [*session.node_placement()] == ["CPU"]
    assert sum(session.node_placement().values()) >= 1


def test_options_override_the_record_of_the_provider(tmp_path):
    session = open_session(tiny_model(tmp_path / "m.onnx"), "openvino", 1, {"ENABLE_CPU_PINNING": "NO"})
    assert session.options()["ENABLE_CPU_PINNING"] == "False"
    with pytest.raises(ResbenchError, match=r"Unsupported property NOPE.*--provider-option"):
        open_session(tiny_model(tmp_path / "m.onnx"), "openvino", 1, {"NOPE": "1"})


def test_threads_default_to_the_cores_available_and_never_to_zero(tmp_path):
    session = open_session(tiny_model(tmp_path / "m.onnx"), "cpu", None)._session
    assert session.get_session_options().intra_op_num_threads == available_cores() >= 1
    session = open_session(tiny_model(tmp_path / "m.onnx"), "openvino", None)
    assert session.options()["INFERENCE_NUM_THREADS"] == str(available_cores())


def test_runtimes_agree(tmp_path):
    path = tiny_network(tmp_path / "m.onnx")
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    results = [infer(open_session(path, name, 1), path, images) for name in PROCESSORS]
    assert results[0].dtype == results[1].dtype == np.float32
    assert np.abs(results[0] - results[1]).max() < 1e-5
    assert np.ptp(results[0]) > 0.01


def test_results_of_two_calls_do_not_share_memory(tmp_path, processor):
    path = tiny_network(tmp_path / "m.onnx")
    session = open_session(path, processor, 1)
    first = session.run(np.zeros((2, 32, 32, 3), np.uint8))
    kept = first.copy()
    session.run(np.full((2, 32, 32, 3), 255, np.uint8))
    assert np.array_equal(first, kept)


@no_gpu
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_gpu_provider_without_a_gpu_is_refused_with_the_reason(tmp_path, provider):
    with pytest.raises(ResbenchError, match=f"{provider}: no NVIDIA GPU here"):
        open_session(tiny_model(tmp_path / "m.onnx"), provider, 1)


@no_gpu
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_runtime_that_would_fall_back_to_the_cpu_is_refused(tmp_path, monkeypatch, capfd, provider):
    """A GPU is present, its libraries are not: ONNX Runtime alone would now run on the CPU without an error."""
    monkeypatch.setattr(onnxruntime_backend, "has_nvidia_gpu", lambda: True)
    known = [PROVIDERS[provider].native_name, "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime_backend.ort, "get_available_providers", lambda: known)  # as a build for GPUs says
    with pytest.raises(ResbenchError, match=f"does not run on {provider}|asked for {provider}") as caught:
        open_session(tiny_model(tmp_path / "m.onnx"), provider, 1)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().out == ""  # stdout is for results


@no_gpu
def test_probe_says_what_is_missing_and_exits_with_1():
    command = [sys.executable, "-m", "resbench.runtime.probe"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    found = {
        name: subprocess.run([*command, name], capture_output=True, text=True, env=environment)
        for name in ("cpu", "cuda")
    }
    assert (found["cpu"].returncode, found["cpu"].stderr) == (0, "")
    assert found["cuda"].returncode == 1
    assert found["cuda"].stderr.startswith("no NVIDIA GPU here")
    assert len(found["cuda"].stderr.splitlines()) == 1


def test_every_node_is_on_the_provider(tmp_path):
    session = open_session(tiny_model(tmp_path / "m.onnx"), "cpu", 1)
    assert session.node_placement() == {"CPUExecutionProvider": 4}


def test_options_reach_the_provider(tmp_path, monkeypatch):
    given = []

    def spy(*arguments, providers, **more):
        given.extend(providers)
        raise RuntimeError("enough")

    path = tiny_model(tmp_path / "m.onnx")
    monkeypatch.setattr(onnxruntime_backend.ort, "InferenceSession", spy)
    with pytest.raises(ResbenchError, match="enough"):
        open_session(path, "cpu", 1, {"use_tf32": "0"})
    assert given == [("CPUExecutionProvider", {"use_tf32": "0"})]


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_no_node_may_fall_back_to_the_cpu(tmp_path, monkeypatch, provider):
    given = {}

    def spy(model, settings, **more):
        given.update(more, fallback=settings.get_session_config_entry("session.disable_cpu_ep_fallback"))
        return SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])

    name = PROVIDERS[provider].native_name
    monkeypatch.setattr(onnxruntime_backend, "has_nvidia_gpu", lambda: True)
    monkeypatch.setattr(onnxruntime_backend.ort, "get_available_providers", lambda: [name, "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime_backend.ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnxruntime_backend.ort, "InferenceSession", spy)
    with pytest.raises(ResbenchError, match="ONNX Runtime gave CPUExecutionProvider instead"):
        open_session(tiny_model(tmp_path / "m.onnx"), provider, 1)
    assert given == {"providers": [(name, {})], "enable_fallback": 0, "fallback": "1"}


def test_build_without_the_provider_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(onnxruntime_backend, "has_nvidia_gpu", lambda: True)
    monkeypatch.setattr(onnxruntime_backend.ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ResbenchError, match="this build of onnxruntime lacks it"):
        open_session(tiny_model(tmp_path / "m.onnx"), "cuda", 1)


def test_metadata_name_the_model(tmp_path, processor):
    path = tiny_model(tmp_path / "m.onnx", variant="pool", seed="3")
    assert identify(open_session(path, processor, 1), path) == Identity("pool", "3", "fp32", tuple(CLASSES))


def test_foreign_model_goes_by_its_file_name(tmp_path, processor):
    path = tiny_model(tmp_path / "theirs.onnx", variant=None)
    assert identify(open_session(path, processor, 1), path) == Identity("theirs", "", "", ())


@pytest.mark.parametrize(
    "metadata",
    [
        {"variant": "pool\nresbench: all is well"},
        {"variant": "../../etc"},
        {"seed": "\x1b[2J"},
        {"classes": ["only one"]},
        {"classes": ["cat", "dog", 3]},
        {"classes": ["cat", "dog", "sh\x1b[2Jip"]},
    ],
)
def test_hostile_metadata_are_refused(tmp_path, metadata, processor):
    path = tiny_model(tmp_path / "m.onnx", **metadata)
    with pytest.raises(ResbenchError, match=r"m\.onnx: its metadata are malformed"):
        identify(open_session(path, processor, 1), path)


def one_line_error(path, provider="cpu"):
    with pytest.raises(ResbenchError) as caught:
        open_session(path, provider, 1)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert "`resbench export`" in message
    return message


@pytest.mark.parametrize("keep", [0, 1, 40, 150, -1])
def test_truncated_file_is_refused(tmp_path, keep, processor):
    path = tiny_model(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:keep])
    one_line_error(path, processor)


@pytest.mark.parametrize("content", [b"not a model\n" * 50, b"PK\x03\x04", bytes(1000)])
def test_other_file_is_refused(tmp_path, content, processor, capfd):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    one_line_error(path, processor)
    assert capfd.readouterr() == ("", "")  # the runtime prints nothing of its own


def test_missing_file_and_folder_are_refused(tmp_path):
    assert "no such file" in one_line_error(tmp_path / "nothing.onnx")
    with pytest.raises(ResbenchError, match=r": is a folder; name an \.onnx file in it"):
        open_session(tmp_path, "cpu", 1)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "absent"])
def test_weights_outside_the_file_are_refused(tmp_path, location, processor):
    (tmp_path / "secret").write_bytes(bytes(4))
    (tmp_path / "models").mkdir()
    path = tiny_model(tmp_path / "models" / "m.onnx")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    one_line_error(path, processor)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": "input"}, "takes input: "),
        ({"image_type": TensorProto.FLOAT}, "image: float32["),
        ({"image_shape": ("N", 3, 32, 32)}, "[?,3,32,32]"),
        ({"image_shape": (1, 32, 32, 3)}, "[1,32,32,3]"),
        ({"image_shape": ("N", "H", "W", 3)}, "[?,?,?,3]"),
        ({"output": "logits2"}, "returns logits2: "),
    ],
)
def test_model_with_another_signature_is_refused(tmp_path, change, said, processor):
    assert said in one_line_error(tiny_model(tmp_path / "m.onnx", **change), processor)


def test_output_that_is_no_probability_is_refused(tmp_path):
    images = np.full((2, 32, 32, 3), 200, np.uint8)
    logits = tiny_model(tmp_path / "logits.onnx", last="Identity")
    with pytest.raises(ResbenchError, match="not probabilities"):
        infer(open_session(logits, "cpu", 1), logits, images)
    broken = tiny_model(tmp_path / "nan.onnx", scale=float("inf"))
    with pytest.raises(ResbenchError, match="NaN"):
        infer(open_session(broken, "cpu", 1), broken, images)
    with pytest.raises(ResbenchError, match="not probabilities"):
        check_probabilities(np.array([[1.5, -0.5]], np.float32), 1, 2, broken)


NO_TENSORFLOW = """
import sys
from pathlib import Path
import resbench.cli, resbench.benchmark.latency, resbench.benchmark.latency_worker, resbench.report.collate
from resbench.benchmark.predictions import evaluate_test_sets
evaluate_test_sets(Path("m.onnx"), [(Path("test.npz"), Path("p.npz"))], "cpu", threads=1)
print(sorted({"tensorflow", "keras", "tf2onnx", "jax", "torch"} & {*sys.modules}))
"""


def test_stages_that_only_run_models_do_not_import_tensorflow(tmp_path):
    tiny_model(tmp_path / "m.onnx")
    images, labels = np.zeros((2, 32, 32, 3), np.uint8), np.zeros(2, np.uint8)
    save_split(tmp_path / "test.npz", Split(images, labels, np.array(CLASSES)))
    path = os.pathsep.join(filter(None, sys.path))
    child = [sys.executable, "-c", NO_TENSORFLOW]
    output = subprocess.check_output(child, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, text=True)
    assert output.strip() == "[]"
    assert (tmp_path / "p.npz").exists()


ONE_RUNTIME = """
import sys
from pathlib import Path
from resbench.benchmark import latency_worker
from resbench.runtime.sessions import open_session
open_session(Path("m.onnx"), sys.argv[1], 1)
print(*sorted({"onnxruntime", "openvino", "onnx", "pandas", "tensorflow"} & {*sys.modules}))
"""


@pytest.mark.parametrize(("provider", "imported"), [("cpu", "onnxruntime"), ("openvino", "openvino")])
def test_a_timed_process_imports_its_own_runtime_alone(tmp_path, provider, imported):
    tiny_model(tmp_path / "m.onnx")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = [sys.executable, "-c", ONE_RUNTIME, provider]
    assert subprocess.check_output(child, cwd=tmp_path, env=environment, text=True).split() == [imported]
