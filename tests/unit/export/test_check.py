"""`resbench check` and what `train` makes of it, as a person calls them: variants in a folder of the user's own."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from resbench.cli import app
from resbench.common.errors import ResbenchError
from resbench.data.store import Split, save_split
from resbench.export import check
from resbench.export.check import check_variant
from typer.testing import CliRunner

START = """
import keras
from keras import layers, ops
from resbench import IMAGE_SHAPE
from resbench.networks.layers import probabilities
"""
NETWORK = """

def build(classes):
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    x = layers.Conv2D(16, 4, strides=4)(layers.Rescaling(1 / 255)(image))
    {body}
    return keras.Model(image, {head})
"""
HEAD = "probabilities(layers.GlobalAveragePooling2D()(x), classes)"
OWN_LAYER = """

class Scale(layers.Layer):
    def __init__(self, start=1.0, **options):
        super().__init__(**options)
        self.start = start

    def build(self, shape):
        self.factors = self.add_weight(shape=(shape[-1],), initializer="ones", name="factors")

    def call(self, x):
        return x * self.factors * self.start
"""
CONFIG = """
    def get_config(self):
        return super().get_config() | {"start": self.start}
"""
NOISE = """

class Noise(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator()

    def call(self, x, training=False):
        return x + keras.random.normal(ops.shape(x), seed={seed}) if training else x
"""


@pytest.fixture
def resbench(tmp_path):
    def run(*words, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        environment = os.environ | {"RESBENCH_VARIANTS": str(tmp_path)}
        command = [sys.executable, "-m", "resbench", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)

    return run


def network(body, head=HEAD, before=""):
    return START + before + NETWORK.format(body=body, head=head)


def test_a_network_of_ones_own_layers_passes(resbench, tmp_path):
    """Exact GELU, attention, a dense layer on a feature map, and layers of the file's own that are not registered."""
    body = (
        "x = layers.Dense(16, activation='gelu')(x + layers.MultiHeadAttention(2, 8)(x, x)); x = Noise()(Scale(0.5)(x))"
    )
    text = network(body, before=OWN_LAYER + CONFIG + NOISE.format(seed="self.seeds"))
    result = resbench("check", "mine", "--figures", tmp_path / "f.json", mine=text)
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["variant"] == "mine"
    assert figures["max_abs_diff"] < 1e-5
    assert figures["macs"] > 64 * 3 * 16 * 16
    assert {"int8_max_abs_diff", "fp16_max_abs_diff"} <= figures.keys()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (network("x = ops.erfinv(layers.Activation('tanh', name='squash')(x))"), "Erfinv cannot be exported to ONNX"),
        (network("x = Scale(ops.ones(1))(x)", before=OWN_LAYER), "correct get_config()"),
    ],
    ids=["no such operation", "no get_config"],
)
def test_train_refuses_before_it_trains_what_could_not_be_deployed(resbench, tmp_path, text, complaint):
    data = tmp_path / "not-read.npz"
    words = ["train", "mine", "--data", data, "--seed", 0, "--model", tmp_path / "m.keras", "--history", tmp_path / "h"]
    result = resbench(*words, mine=text)
    assert result.returncode == 1
    assert complaint in result.stderr.splitlines()[-1], result.stderr
    assert f"{tmp_path / 'mine.py'}: " in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("logits", network("", head="layers.Dense(classes)(layers.Flatten()(x))"), "do not sum to 1"),
        ("beside", network("x = x - ops.mean(x, axis=0, keepdims=True)"), "depends on the other images of the batch"),
        ("noise", network("x = Noise()(x)", before=NOISE.format(seed=None)), "draws random numbers .*SeedGenerator"),
        ("half", network("x = layers.Conv2D(8, 3, dtype='float16')(x)"), "computes in float16; leave its dtype"),
        ("halves", network("x = layers.Activation('glu')(x)"), "cannot be run on images"),
        ("published", network("") + "\n\nREFERENCE = {'accuracy': 0.9}\n", "REFERENCE is a dict; write a Reference"),
        ("leaves", "import sys\n\nsys.exit('not today')\n", "line 3: SystemExit: not today"),
    ],
)
def test_what_shows_without_a_second_process_is_refused_at_once(tmp_path, monkeypatch, name, text, complaint):
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("RESBENCH_VARIANTS", str(tmp_path))
    with pytest.raises(ResbenchError, match=complaint) as caught:
        check_variant(name, ["int8"], None)
    assert str(caught.value).startswith(f"{tmp_path / name}.py: ")


@pytest.mark.parametrize("name", ["resnet20-se", "a" * 65, "../layers"])
def test_a_name_that_paths_and_metadata_do_not_take_is_refused(name):
    with pytest.raises(ResbenchError, match="letters, digits and _"):
        check_variant(name, [], None)


def test_constants_vary_and_keep_their_sign():
    """What training changes is in the graph that is checked: biases, and scales of 0, 1 or almost 0."""
    image = keras.Input((8,))
    frozen = keras.layers.Dense(4, kernel_initializer="zeros", trainable=False)
    x = keras.layers.LayerNormalization(gamma_initializer=keras.initializers.Constant(-1))(image)
    model = keras.Model(image, keras.layers.Dense(3)(frozen(keras.layers.Dense(4, kernel_initializer="ones")(x))))
    gamma, _, ones, _, kernel, _ = before = [variable.numpy() for variable in model.trainable_variables]
    check.vary_constants(model)
    after = [variable.numpy() for variable in model.trainable_variables]
    assert all(np.ptp(values) > 0 for values in after)
    np.testing.assert_array_equal(after[4], kernel)
    assert (after[0] < gamma).all()
    assert (after[2] > ones).all()
    assert all(np.abs(now - then).max() < 0.1 for now, then in zip(after, before, strict=True))
    assert not frozen.kernel.numpy().any()


def test_the_graph_is_the_one_that_training_gives(resbench, tmp_path):
    """One convolution and a head: int8 is made of both, with and without values of the biases."""
    result = resbench("check", "mine", "--figures", tmp_path / "f.json", mine=network("x = layers.ReLU()(x)"))
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "f.json").read_text())["int8_max_abs_diff"] < 0.1


def test_a_graph_that_computes_something_else_than_the_network_is_refused(tmp_path):
    """Here the network that was saved is not the one that was run."""
    images = np.random.default_rng(0).integers(0, 256, (check.IMAGES, 32, 32, 3), dtype=np.uint8)
    classes = np.array([f"class {number}" for number in range(check.CLASSES)])
    save_split(tmp_path / check.DATA, Split(images, np.arange(check.IMAGES, dtype=np.uint8) % check.CLASSES, classes))
    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, keras.layers.Dense(check.CLASSES, activation="softmax")(x))
    model.save(tmp_path / check.MODEL)
    np.save(tmp_path / check.EXPECTED, np.asarray(model(images)) + np.float32(2e-4))
    with pytest.raises(ResbenchError, match=r"differs from Keras by 0\.0002, more than 0\.0001"):
        check.follow(tmp_path, "pool", [])
    assert not (tmp_path / check.FIGURES).exists()


def test_fp32_alone_is_checked_for_no_other_precision(monkeypatch):
    asked = []
    monkeypatch.setattr("resbench.training.devices.claim_device", lambda device, threads: nullcontext())
    monkeypatch.setattr(check, "check_variant", lambda name, precisions, figures: asked.append(list(precisions)))
    for options in (["--precision", "fp32"], ["--precision", "fp32", "--precision", "int8"], []):
        result = CliRunner().invoke(app, ["check", "pool", *options])
        assert result.exit_code == 0, result.output
    assert asked == [[], ["int8"], ["int8", "fp16"]]


def test_a_check_of_another_variant_does_not_count(resbench, tmp_path):
    (tmp_path / "other.json").write_text('{"variant": "other"}')
    data = tmp_path / "not-read.npz"
    words = ["train", "pool", "--data", data, "--seed", 0, "--model", tmp_path / "m.keras", "--history", tmp_path / "h"]
    result = resbench(*words, "--checked", tmp_path / "other.json")
    assert result.returncode == 1
    assert "not what `resbench check pool --figures` writes" in result.stderr
