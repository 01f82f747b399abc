"""The contract of every variant, taken from the registry: the file of a new variant is tested without further work."""

import json
from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import tensorflow as tf
from resbench.common.variants import variant_names
from resbench.data.store import Split, save_split

# (parameters, multiply-adds); the papers round to 0.01 M and 0.1 M
COUNTS = {
    "basic": (5_238_474, 1_062_937_216),
    "pool": (2_092_746, 833_299_072),
    "bottleneck": (1_728_778, 548_086_400),
    "resnet8": (78_186, 12_501_632),  # 78,666 with the running statistics, as MLPerf Tiny counts
    "resnet14": (172_506, 26_395_264),
    "bottleneck20": (220_378, 33_737_216),
    "bottleneck56": (591_322, 87_214_592),
    "bottleneck110": (1_147_738, 167_430_656),
}
PAPERS_MILLIONS = {
    "resnet20": (0.27, 40.6),
    "resnet32": (0.46, 68.9),
    "resnet44": (0.66, 97.2),
    "resnet56": (0.85, 125.5),
    "resnet110": (1.7, 252.9),
    "bottleneck164": (1.7, None),
}


@pytest.fixture(scope="module", autouse=True)
def quick_graphs():
    """A graph is run once here: optimising it first would take longer than running it."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture
def one_step(monkeypatch):
    """`run_job` of a step alone: without the steps that estimate its time, and without making a graph of it."""
    from resbench.training import job, loop

    monkeypatch.setattr(loop, "seconds_per_step", lambda *_: 1.0)

    def run(*arguments, **options):
        tf.config.run_functions_eagerly(True)
        try:
            job.run_job(*arguments, **options)
        finally:
            tf.config.run_functions_eagerly(False)

    return run


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two array files of 8 random images."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name in ("train", "test"):
        images = random.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
        labels = np.arange(8, dtype=np.uint8)
        save_split(folder / f"{name}.npz", Split(images, labels, np.array([f"class {i}" for i in range(10)])))
    return folder


def test_every_variant_has_its_counts_held():
    assert set(variant_names()) == COUNTS.keys() | PAPERS_MILLIONS.keys()


@pytest.mark.parametrize("name", variant_names())
def test_trains_saves_reloads_and_exports(name, photos, one_step, tmp_path):
    """A step of training; then the exported graph gives the reloaded Keras model's outputs, in clean operators, and is
    as large as the papers say."""
    from resbench.export.onnx import export_model
    from resbench.export.quantize import quantize_model
    from resbench.training.plan import Job

    model, onnx_path = tmp_path / "model.keras", tmp_path / "fp32.onnx"
    one_step(
        Job(variant=name, protocol="notebook", seed=0, epochs=1, batch_size=8),
        photos / "train.npz",
        model,
        tmp_path / "history.csv",
        test_path=None,
        checkpoints_folder=None,
    )
    export_model(model, photos / "test.npz", onnx_path, tmp_path / "parity.json")
    figures = json.loads((tmp_path / "parity.json").read_text())
    check_counts(name, figures["parameters"], figures["macs"])
    check_graph(onnx_path)
    check_runs(onnx_path)
    for precision in ("int8", "fp16"):
        other = tmp_path / f"{precision}.onnx"
        quantize_model(onnx_path, photos / "train.npz", precision, other, images=2, method="minmax", seed=0, threads=2)
        check_runs(other)


def check_counts(name, parameters, macs):
    if name in COUNTS:
        assert (parameters, macs) == COUNTS[name]
    else:
        papers_parameters, papers_macs = PAPERS_MILLIONS[name]
        assert round(parameters / 1e6, 2 if papers_parameters < 1 else 1) == papers_parameters
        assert papers_macs is None or round(macs / 1e6, 1) == papers_macs


def check_graph(path):
    """What other runtimes may rely on."""
    graph = onnx.load(path)
    onnx.checker.check_model(graph, full_check=True)  # with strict shape inference
    assert [(imported.domain, imported.version) for imported in graph.opset_import] == [("", 17)]
    assert graph.ir_version <= 10  # ONNX Runtime 1.17 loads no later one
    operators = Counter(node.op_type for node in graph.graph.node)
    assert not operators.keys() & {"Shape", "Gather", "Slice", "Concat", "BatchNormalization", "Identity", "Constant"}
    assert operators["Transpose"] <= 1
    assert operators["Cast"] == 1


def check_runs(path):
    """Names, types and shapes of what goes in and comes out, at any batch size."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (image,), (output,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape) == ("image", "tensor(uint8)", ["N", 32, 32, 3])
    assert (output.name, output.type, output.shape) == ("probabilities", "tensor(float)", ["N", 10])
    for count in (1, 3):
        (probabilities,) = session.run(None, {"image": np.zeros((count, 32, 32, 3), np.uint8)})
        assert probabilities.shape == (count, 10)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-3)
