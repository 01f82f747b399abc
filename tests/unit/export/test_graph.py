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
from resbench.common.errors import ResbenchError
from resbench.export import execution
from resbench.export.counts import multiply_adds
from resbench.export.execution import tolerance
from resbench.export.graph import clean, rename, to_onnx


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


@pytest.mark.parametrize("activation", ["gelu", "celu"])
def test_activations_of_operations_that_tf2onnx_does_not_have(activation):
    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.Conv2D(4, 8, strides=8, activation=activation)(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(x)))
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8)
    session = ort.InferenceSession(to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"image": images})
    np.testing.assert_allclose(found, model(images), atol=1e-6)


def test_names_number_operators_in_their_order(traced):
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


def small(body):
    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.Conv2D(8, 4, strides=4)(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(body(x)))


def test_what_onnx_does_not_have_names_the_layer():
    class Strange(keras.layers.Layer):
        def call(self, x):
            return keras.ops.erfinv(keras.ops.tanh(x))

    model = small(lambda x: keras.layers.GlobalAveragePooling2D()(Strange(name="mine")(x)))
    with pytest.raises(ResbenchError, match=r"layer 'mine' \(Strange\): .*Erfinv.*keras.ops") as caught:
        to_onnx(model)
    assert "\n" not in str(caught.value)


def test_a_step_that_fails_or_changes_the_output_is_left_out(traced, capsys):
    _, graph = traced

    def fails(model):
        raise IndexError

    def negates(model):
        for weight in model.graph.initializer:
            if len(weight.dims) == 4:
                weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * -1, weight.name))
        return model

    def breaks(model):
        model.graph.node[0].op_type = "Nothing"
        return model

    assert clean(graph, (fails, negates, breaks)).SerializeToString() == graph.SerializeToString()
    said = capsys.readouterr().err
    assert "fails is left out: it fails with IndexError" in said
    assert "negates is left out: it changes a probability" in said
    assert "breaks is left out" in said


def test_a_padded_shortcut_is_one_convolution_that_is_not_counted():
    model = small(
        lambda x: keras.layers.GlobalAveragePooling2D()(
            keras.ops.pad(keras.layers.MaxPooling2D(1, strides=2)(x), [(0, 0), (0, 0), (0, 0), (2, 4)])
        )
    )
    graph = to_onnx(model)
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count("Conv") == 2
    assert not {"MaxPool", "Pad"} & set(operators)
    assert multiply_adds(graph) == 8 * 8 * 8 * 4 * 4 * 3 + 14 * 3
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8)
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"image": images})[0], model.predict(images, verbose=0), atol=3e-7)


@pytest.mark.parametrize("equation", ["nhwc,cd->nhwd", "...c, cd -> ...d"])
def test_multiply_adds_of_einsum_and_transposed_products(equation):
    value = onnx.helper.make_tensor_value_info
    nodes = [
        onnx.helper.make_node("Cast", ["image"], ["x"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Einsum", ["x", "kernel"], ["y"], equation=equation),
        onnx.helper.make_node("ReduceMean", ["y"], ["z"], axes=[1, 2], keepdims=0),
        onnx.helper.make_node("Gemm", ["square", "z"], ["probabilities"], transA=1, transB=1),
    ]
    constants = {"kernel": np.ones((3, 5), np.float32), "square": np.ones((5, 7), np.float32)}
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [value("image", onnx.TensorProto.UINT8, ["N", 32, 32, 3])],
        [value("probabilities", onnx.TensorProto.FLOAT, [7, "N"])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    assert multiply_adds(model) == 32 * 32 * 3 * 5 + 7 * 5


@pytest.mark.parametrize(
    ("operator", "kernel", "strides", "macs"),
    [("Conv", (6, 1, 3, 3), (1, 1), 30 * 30 * 6 * 3 * 3), ("ConvTranspose", (3, 2, 3, 3), (2, 2), 32 * 32 * 6 * 3 * 3)],
)
def test_multiply_adds_of_groups_and_of_a_transposed_convolution(operator, kernel, strides, macs):
    """A transposed one multiplies each input pixel by a whole kernel."""
    value, node = onnx.helper.make_tensor_value_info, onnx.helper.make_node
    nodes = [
        node("Cast", ["image"], ["x"], to=onnx.TensorProto.FLOAT),
        node("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2]),
        node(operator, ["y", "kernel"], ["z"], group=3, strides=strides),
        node("ReduceMean", ["z"], ["probabilities"], axes=[2, 3], keepdims=0),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [value("image", onnx.TensorProto.UINT8, ["N", 32, 32, 3])],
        [value("probabilities", onnx.TensorProto.FLOAT, ["N", 6])],
        [onnx.numpy_helper.from_array(np.ones(kernel, np.float32), "kernel")],
    )
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    assert multiply_adds(model) == macs


def test_multiply_adds_of_a_recurrent_layer_and_of_a_loop_are_those_of_all_their_steps():
    value, node = onnx.helper.make_tensor_value_info, onnx.helper.make_node
    floats = onnx.TensorProto.FLOAT
    going = [value("round", onnx.TensorProto.INT64, []), value("going", onnx.TensorProto.BOOL, [])]
    body = onnx.helper.make_graph(
        [node("MatMul", ["state", "square"], ["next"], "product"), node("Identity", ["going"], ["goes_on"])],
        "body",
        [*going, value("state", floats, ["N", 5])],
        [value("goes_on", onnx.TensorProto.BOOL, []), value("next", floats, ["N", 5])],
    )
    nodes = [
        node("Cast", ["image"], ["x"], to=floats),
        node("ReduceMean", ["x"], ["rows"], axes=[1], keepdims=0),
        node("Transpose", ["rows"], ["steps"], perm=[1, 0, 2]),
        node("LSTM", ["steps", "kernel", "recurrent"], ["", "last"], hidden_size=5),
        node("Squeeze", ["last", "zero"], ["start"]),
        node("Loop", ["rounds", "", "start"], ["probabilities"], body=body),
    ]
    constants = {"kernel": np.ones((1, 20, 3)), "recurrent": np.ones((1, 20, 5)), "square": np.ones((5, 5))}
    constants = {name: array.astype(np.float32) for name, array in constants.items()}
    constants |= {"zero": np.zeros(1, np.int64), "rounds": np.array(7, np.int64)}
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [value("image", onnx.TensorProto.UINT8, ["N", 32, 32, 3])],
        [value("probabilities", floats, ["N", 5])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    assert multiply_adds(model) == 32 * (20 * 3 + 20 * 5) + 7 * 5 * 5


def test_a_network_that_amplifies_rounding_has_a_tolerance_of_its_own(monkeypatch):
    """Here by the difference of two equal sums, times a thousand: rounding is all that is left of it."""

    def amplified(x):
        y = keras.layers.Dense(64)(keras.layers.Flatten()(x))
        total = keras.ops.sum(y, axis=-1, keepdims=True)
        return keras.ops.concatenate([y, (total - keras.ops.matmul(y, keras.ops.ones((64, 1)))) * 1e3], axis=-1)

    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8)
    steady = to_onnx(small(lambda x: keras.layers.GlobalAveragePooling2D()(x)))
    assert tolerance(steady, images, 1e-4, 1.0) == 1e-4
    graph = to_onnx(small(amplified))
    assert tolerance(graph, images, 1e-7, 1.0) > 1e-7
    monkeypatch.setattr(execution, "ROUNDING", 1e9)
    assert tolerance(graph, images, 1e-7, 1.0) == execution.MOST
