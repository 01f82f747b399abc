"""What is no network that can be trained and deployed is refused when it is built, in one line with the remedy."""

import re
import sys

import keras
import numpy as np
import pytest
from keras import layers
from resbench import IMAGE_SHAPE
from resbench.common.errors import ResbenchError
from resbench.networks import contract, registry

SOFTMAX = {"activation": "softmax"}


def image(shape=IMAGE_SHAPE, dtype="uint8", **options):
    return keras.Input(shape, dtype=dtype, **options)


def head(start, classes=10, activation=None):
    x = layers.Conv2D(4, 3, activation=activation)(layers.Rescaling(1 / 255)(start))
    return keras.Model(start, layers.Dense(classes, **SOFTMAX)(layers.GlobalAveragePooling2D()(x)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(10, **SOFTMAX)

    def call(self, x):
        return self.dense(keras.ops.mean(keras.ops.cast(x, "float32"), axis=(1, 2)))


def with_lambda():
    start = image()
    x = layers.Lambda(lambda pixels: keras.ops.cast(pixels, "float32") / 255, name="scale")(start)
    inner = keras.Model(start, x)
    return head_of(inner)


def head_of(inner):
    start = image()
    x = layers.GlobalAveragePooling2D()(inner(start))
    return keras.Model(start, layers.Dense(10, **SOFTMAX)(x))


def renamed(make):
    model = head(image())
    return make(model.input, model.output)


def two_inputs():
    one, other = image(name="one"), image(name="other")
    x = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(layers.Concatenate()([one, other])))
    return keras.Model([one, other], layers.Dense(10, **SOFTMAX)(x))


REFUSED = {
    "not a model": (lambda: "network", "returns str, not a keras.Model"),
    "Sequential without Input": (lambda: keras.Sequential([layers.Dense(10)]), "Sequential model has no input"),
    "subclass": (Subclassed, "Subclassed, is a subclass of keras.Model without shapes"),
    "two inputs": (two_inputs, "inputs: 2, outputs: 1"),
    "a dict": (lambda: renamed(lambda start, output: keras.Model(start, {"probabilities": output})), "returns a dict"),
    "a space": (lambda: renamed(lambda start, output: keras.Model(start, output, name="my net")), "'my net': .*rename"),
    "a lambda": (lambda: head(image(), activation=lambda x: x * 2), "has a lambda.*write it with def"),
    "other size": (lambda: head(image((224, 224, 3))), "224×224×3"),
    "grey": (lambda: head(image((32, 32, 1))), "32×32×1"),
    "any size": (lambda: head(image((None, None, 3))), "any×any×3"),
    "fixed batch": (lambda: head(image(batch_size=8)), "batches of 8"),
    "floats": (lambda: head(image(dtype="float32")), "float32, but pixels are uint8"),
    "Lambda in a nested model": (with_lambda, "layer 'scale' is a Lambda.*class of keras.layers.Layer"),
    "other classes": (lambda: head(image(), classes=5), "there are 10 classes"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind):
    build, complaint = REFUSED[kind]
    fault = contract.find_fault(build(), 10)
    assert fault is not None
    assert "\n" not in fault
    assert re.search(complaint, fault), fault


def test_good_networks_pass():
    assert contract.find_fault(head(image()), 10) is None
    sequential = keras.Sequential([image(), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(10, **SOFTMAX)])
    assert contract.find_fault(sequential, 10) is None


@pytest.mark.parametrize(
    ("outputs", "fine"),
    [([[0.5, 0.5]], True), ([[3.0, -2.0]], False), ([[0.9, 0.9]], False), ([[np.nan, 0.5]], False)],
)
def test_outputs_are_probabilities_or_refused(outputs, fine):
    assert (contract.softmax_fault(np.array(outputs, np.float32)) is None) == fine


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("def build(classes:\n", r"broken\.py: line 1 is not Python"),
        ("import nothing_of_that_name\n", r"broken\.py: cannot be imported \(line 1: ModuleNotFoundError"),
        ("WIDTH = 3\n", r"broken\.py: has no function build\(classes\)"),
        ("def build(classes):\n    return 1 / 0\n", r"broken\.py: build\(10\) fails \(line 2: ZeroDivisionError"),
        ("def build():\n    return None\n", r"broken\.py: build\(10\) fails \(TypeError"),
    ],
)
def test_a_broken_file_is_one_line_that_names_it(tmp_path, monkeypatch, text, complaint):
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.setenv("RESBENCH_VARIANTS", str(tmp_path))
    monkeypatch.setattr(registry.variants, "__path__", list(registry.variants.__path__))
    monkeypatch.delitem(sys.modules, "resbench.networks.variants.broken", raising=False)
    with pytest.raises(ResbenchError, match=complaint) as caught:
        contract.build(registry.variant("broken"), 10)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
