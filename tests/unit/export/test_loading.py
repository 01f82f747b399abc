"""A trained network is loaded with the parts of its variant, wherever the variant has them from."""

import subprocess
import sys

import numpy as np
import pytest
from resbench.export.loading import load_model
from resbench.networks.registry import variant
from resbench.stages import variant_files

LOAD = """
import sys
from pathlib import Path
from resbench.export.loading import load_model

load_model(Path(sys.argv[1]), sys.argv[2])
"""

BLOCKS = """
import keras


class {scale}(keras.layers.Layer):
    def build(self, shape):
        self.factors = self.add_weight(shape=(shape[-1],), initializer="ones", name="factors")

    def call(self, x):
        return x * self.factors


def stem(x):
    return {scale}()(x)
"""
VARIANT = """
import keras
{line}


def build(classes):
    {first}
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")({call}(x)))
"""


@pytest.mark.parametrize(
    ("name", "line", "call"),
    [
        ("by_function", "from {blocks} import stem", "stem"),
        ("by_module", "import {blocks} as blocks", "blocks.{scale}()"),
        ("by_alias", "from {blocks} import {scale} as S", "S()"),
    ],
)
def test_layers_of_a_helper_module_are_found(tmp_path, monkeypatch, name, line, call):
    monkeypatch.setenv("RESBENCH_VARIANTS", str(tmp_path))
    names = {"blocks": f"blocks_{name}", "scale": f"Scale_{name}"}
    (tmp_path / f"{names['blocks']}.py").write_text(BLOCKS.format(**names))
    (tmp_path / f"{name}.py").write_text(VARIANT.format(line=line.format(**names), call=call.format(**names), first=""))
    model = variant(name).build(3)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", name)
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]


def test_a_helper_module_that_only_build_imports_is_found(tmp_path, monkeypatch):
    """In a new process, where nothing has built the network yet."""
    monkeypatch.setenv("RESBENCH_VARIANTS", str(tmp_path))
    names = {"blocks": "blocks_late", "scale": "Scale_late"}
    (tmp_path / "blocks_late.py").write_text(BLOCKS.format(**names))
    (tmp_path / "late.py").write_text(VARIANT.format(line="", first="import blocks_late", call="blocks_late.stem"))
    variant("late").build(3).save(tmp_path / "model.keras")
    assert tmp_path / "blocks_late.py" in variant_files("late")
    command = [sys.executable, "-c", LOAD, tmp_path / "model.keras", "late"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr


PARTS = """
import keras
from keras import layers, ops


class Centred(keras.constraints.Constraint):
    def __call__(self, weights):
        return weights - ops.mean(weights)


class Snake:
    def __call__(self, x):
        return x + ops.sin(x) ** 2

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls()


def swish(x):
    return 2 * x * ops.sigmoid(x)


def relu(x):
    return layers.Activation("relu")(x)


def linear(x, units):
    return layers.Dense(units)(x)


def build(classes):
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(4, 8, strides=8, activation=Snake(), kernel_constraint=Centred())(x)
    x = linear(layers.Flatten()(relu(layers.Conv2D(4, 1, activation=swish)(x))), 4)
    return keras.Model(image, layers.Dense(classes, activation="softmax")(x))
"""


def test_a_network_is_loaded_with_classes_that_are_no_layers_and_functions_named_as_those_of_keras(
    tmp_path, monkeypatch
):
    """Keras saves its own activations, `relu` and `linear` here, by their names alone."""
    monkeypatch.setenv("RESBENCH_VARIANTS", str(tmp_path))
    (tmp_path / "with_parts.py").write_text(PARTS)
    model = variant("with_parts").build(3)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", "with_parts")
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(loaded(images), model(images))
