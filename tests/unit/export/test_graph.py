"""The graph that is exported: what Keras and the converter leave in it is gone, and it computes the same."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from resbench.export.graph import rename, to_onnx


def network() -> keras.Model:
    """All that leaves marks in a traced graph: scaling, normalisation, biases, Flatten over three unequal sides."""
    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, strides=(8, 4), padding="same", use_bias=False)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dense(5, activation="relu")(keras.layers.Flatten()(x))
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def traced():
    model = network()
    return model, to_onnx(model)


def test_it_computes_what_keras_does(traced):
    model, graph = traced
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8)
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"image": images})
    np.testing.assert_allclose(found, model.predict(images, verbose=0), atol=1e-6)


def test_only_what_the_network_means_is_left(traced):
    _, graph = traced
    operators = [node.op_type for node in graph.graph.node]
    expected = ["Cast", "Mul", "Transpose", "Conv", "Relu", "Reshape", "Gemm", "Relu", "Gemm", "Softmax"]
    assert operators == expected
    assert [(imported.domain, imported.version) for imported in graph.opset_import] == [("", 17)]


def test_names_tell_operators_by_their_order(traced):
    _, graph = traced
    assert [node.name for node in graph.graph.node if node.op_type == "Gemm"] == ["Gemm_0", "Gemm_1"]
    assert {"Conv_0.weight", "Conv_0.bias", "Gemm_1.weight", "Gemm_1.bias"} <= {w.name for w in graph.graph.initializer}
    for value in (*graph.graph.input, *graph.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "N"


def test_the_same_network_gives_the_same_bytes(traced):
    """Also after others were built, whose layers Keras counts on, and whatever the order of Python's sets."""
    script = (
        f"import sys, hashlib; sys.path.insert(0, {str(Path(__file__).parent)!r});"
        "from test_graph import network; from resbench.export.graph import to_onnx; network();"
        "print(hashlib.sha256(to_onnx(network()).SerializeToString()).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    other = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.split()[-1] == hashlib.sha256(traced[1].SerializeToString()).hexdigest()


def test_a_constant_of_several_nodes_is_named_after_the_first():
    nodes = [onnx.helper.make_node("Add", [a, "c"], [b]) for a, b in (("image", "x"), ("x", "probabilities"))]
    value = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N"]) for name in ("image", "probabilities")
    ]
    constant = onnx.numpy_helper.from_array(np.ones(1, np.float32), "c")
    graph = onnx.helper.make_graph(nodes, "g", value[:1], value[1:], [constant])
    graph = rename(onnx.helper.make_model(graph)).graph
    assert [list(node.input) for node in graph.node] == [["image", "Add_0.constant1"], ["Add_0:0", "Add_0.constant1"]]
    assert [weight.name for weight in graph.initializer] == ["Add_0.constant1"]
