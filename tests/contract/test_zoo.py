"""Networks of every kind of layer, trained, saved, and in another process loaded, exported and made int8 and fp16."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import tensorflow as tf
import zoo
from keras import layers
from resbench.data.store import Split, save_split
from resbench.export.check import settle_normalization
from resbench.export.convert import convert
from resbench.export.counts import multiply_adds
from resbench.export.graph import to_onnx
from resbench.export.onnx import LARGEST_DIFFERENCE
from resbench.export.quantize import ends, to_int8
from resbench.networks import registry
from resbench.training import job, loop
from resbench.training.plan import Job

IMAGES = 16

FOLLOW = """
import sys
from pathlib import Path
from resbench.export.onnx import export_model
from resbench.export.quantize import quantize_model
folder = Path(sys.argv[1])
for name in sys.argv[2:]:
    place = folder / name
    export_model(place / "model.keras", folder / "test.npz", place / "fp32.onnx", place / "parity.json", threads=1)
    for precision in ("int8", "fp16"):
        quantize_model(
            place / "fp32.onnx", folder / "train.npz", precision, place / f"{precision}.onnx",
            images=16, method="minmax", seed=0, threads=1,
        )
"""


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, images):
    """A folder for each network, with its model of one training step and what another process made of it."""
    folder = tmp_path_factory.mktemp("zoo")
    labels, classes = np.arange(IMAGES, dtype=np.uint8) % 10, np.array([f"class {i}" for i in range(10)])
    for name in ("train", "test"):
        save_split(folder / f"{name}.npz", Split(images, labels, classes))
    variants = folder / "variants"
    variants.mkdir()
    for name in zoo.NETWORKS:
        (variants / f"{name}.py").write_text(f"from zoo import NETWORKS, Scale\n\nbuild = NETWORKS[{name!r}]\n")
    patch = pytest.MonkeyPatch()
    patch.setenv("RESBENCH_VARIANTS", str(variants))
    patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(zoo.__file__).parent), *filter(None, sys.path)]))
    patch.setattr(loop, "seconds_per_step", lambda *_: 1.0)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    processes = []
    try:
        for names in (list(zoo.APPLICATIONS), [name for name in zoo.NETWORKS if name not in zoo.APPLICATIONS]):
            for name in names:
                train_one_step(name, folder)
            command = [sys.executable, "-c", FOLLOW, str(folder), *names]
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        logs = [process.communicate(timeout=600)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], "\n".join(logs)
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
        patch.undo()
    return folder


def train_one_step(name: str, folder: Path) -> None:
    description = Job(variant=name, protocol="notebook", seed=0, epochs=1, batch_size=IMAGES)
    place = folder / name
    # Tracing a large network takes longer than one step of it does; grouped convolutions are not trained untraced.
    tf.config.run_functions_eagerly(name in zoo.APPLICATIONS)
    try:
        job.run_job(
            description,
            folder / "train.npz",
            place / "model.keras",
            place / "history.csv",
            test_path=None,
            checkpoints_folder=None,
        )
    finally:
        tf.config.run_functions_eagerly(False)


def run_graph(path: Path, images):
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1
    session = ort.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"image": images})[0]


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_what_is_exported_computes_the_same_in_every_precision(name, exported, images):
    place = exported / name
    figures = json.loads((place / "parity.json").read_text())
    assert figures["max_abs_diff"] <= LARGEST_DIFFERENCE
    graph = onnx.load(place / "fp32.onnx")
    assert {node.domain for node in graph.graph.node} == {""}
    expected = run_graph(place / "fp32.onnx", images)
    quantized = Counter(node.op_type for node in onnx.load(place / "int8.onnx").graph.node)
    assert quantized["QuantizeLinear"] >= 1
    np.testing.assert_allclose(run_graph(place / "int8.onnx", images), expected, atol=0.1)
    np.testing.assert_allclose(run_graph(place / "fp16.onnx", images), expected, atol=0.02)


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_openvino_computes_the_same(name, exported, images):
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    for precision, tolerance in (("fp32", 1e-4), ("int8", 0.1)):
        model = core.compile_model(exported / name / f"{precision}.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        found = model({"image": images})["probabilities"]
        np.testing.assert_allclose(found, run_graph(exported / name / f"{precision}.onnx", images), atol=tolerance)


@pytest.mark.parametrize("name", [name for name in zoo.NETWORKS if name != "transposed_convolution"])
def test_multiply_adds_are_those_of_tensorflows_profiler(name, exported):
    """Which counts the operations of the traced function, not of the exported graph."""
    model = keras.models.load_model(exported / name / "model.keras", compile=False, custom_objects={"Scale": zoo.Scale})
    figures = json.loads((exported / name / "parity.json").read_text())
    assert figures["macs"] == registry.multiply_adds(model)
    assert figures["parameters"] == sum(int(np.prod(weights.shape)) for weights in model.trainable_weights)


def test_mobilenet_v2_has_its_published_multiply_adds_and_parameters():
    """Sandler et al. (2018), Table 4: 300 M multiply-adds at 224×224; 3.5 M parameters with the classes of ImageNet."""
    image = keras.Input((224, 224, 3), dtype="uint8", name="image")
    network = keras.applications.MobileNetV2(weights=None)
    model = keras.Model(image, network(layers.Rescaling(1 / 127.5, offset=-1)(image)))
    assert round(multiply_adds(convert(model)) / 1e6, -1) == 300
    assert round(sum(int(np.prod(weights.shape)) for weights in model.trainable_weights) / 1e6, 1) == 3.5


def test_no_transposition_between_convolutions(images, tmp_path):
    """What ONNX Runtime makes of resnet20: one in front, in int8 one more where 8 bits begin and one behind pooling."""
    model = registry.variant("resnet20").build(10)
    settle_normalization(model, images)
    fp32 = to_onnx(model)
    int8 = to_int8(fp32, images, "minmax", ends(fp32), threads=1)
    for graph, most in ((fp32, 1), (int8, 3)):
        nodes = optimized(graph, tmp_path / "optimized.onnx")
        assert len([node for node in nodes if node.op_type == "Transpose"]) <= most
        convolutions = [n for n, node in enumerate(nodes) if node.op_type in ("Conv", "QLinearConv")]
        between = [node.op_type for node in nodes[convolutions[1] : convolutions[-1]]]
        assert "Transpose" not in between


def optimized(graph, path):
    settings = ort.SessionOptions()
    settings.optimized_model_filepath = str(path)
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    ort.InferenceSession(graph.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    return onnx.load(path).graph.node
