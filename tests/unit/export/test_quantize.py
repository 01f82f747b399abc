"""int8 and fp16: close to fp32, the same every time, calibrated on what the network was trained on and nothing else."""

import json
from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from resbench.common.errors import ResbenchError
from resbench.common.files import sha256
from resbench.data.store import Split, load_split, save_split
from resbench.export import quantize
from resbench.export.metadata import read_metadata
from resbench.export.precisions import CALIBRATION_METHODS
from resbench.runtime.sessions import identify, open_session
from tiny_models import CLASSES, tiny_model, tiny_network

INT8 = {"images": 16, "method": "minmax", "seed": 3, "threads": 1}


@pytest.fixture
def data(tmp_path):
    """Twenty training images and ten more that were held out, brighter than those."""
    images = np.random.default_rng(0).integers(0, 128, (30, 32, 32, 3), np.uint8)
    images[20:] += 127
    save_split(tmp_path / "train.npz", Split(images, np.arange(30, dtype=np.uint8) % 3, np.array(CLASSES)))
    return tmp_path / "train.npz"


@pytest.fixture
def fp32(tmp_path, data):
    facts = {"train_sha256": sha256(data), "train_images": "20", "top1_agreement": "1.0", "protocol": "notebook"}
    return tiny_network(tmp_path / "fp32.onnx", **facts)


def answers(model, images):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"image": images})[0]


@pytest.mark.parametrize("method", CALIBRATION_METHODS)
def test_int8_is_close_to_fp32(fp32, method):
    graph, images = onnx.load(fp32), np.random.default_rng(1).integers(0, 256, (40, 32, 32, 3), np.uint8)
    made = quantize.to_int8(graph, images, method, [], threads=1)
    onnx.checker.check_model(made, full_check=True)
    np.testing.assert_allclose(answers(made, images), answers(graph, images), atol=0.03)


def test_minmax_takes_the_complete_range_of_all_batches_and_the_others_a_shorter_one(fp32):
    """One bright image among dark ones, in the first batch or in the last."""
    images = np.random.default_rng(1).integers(0, 64, (40, 32, 32, 3), np.uint8)
    images[0] *= 4

    def step(method, images):
        made = quantize.to_int8(onnx.load(fp32), images, method, [], threads=1)
        (scale,) = [weight for weight in made.graph.initializer if weight.name == "Conv_1:0_scale"]
        return float(numpy_helper.to_array(scale))

    complete = step("minmax", images)
    assert step("minmax", images[::-1]) == pytest.approx(complete)
    assert step("percentile", images[::-1]) < complete
    assert step("entropy", images[::-1]) < complete


def test_int8_is_unsigned_activations_and_signed_weights_by_channel(fp32):
    made = quantize.to_int8(onnx.load(fp32), np.zeros((1, 32, 32, 3), np.uint8), "minmax", [], threads=1)
    weights = {weight.name: weight for weight in made.graph.initializer}
    kernel = weights["Conv_0.weight_quantized"]
    assert kernel.data_type == TensorProto.INT8
    assert list(weights["Conv_0.weight_scale"].dims) == [8]
    assert np.abs(numpy_helper.to_array(kernel)).max() <= 64  # 7 bits: no overflow without VNNI
    zero_points = [name for name in weights if name.endswith(":0_zero_point")]
    assert zero_points
    assert {weights[name].data_type for name in zero_points} == {TensorProto.UINT8}
    operators = Counter(node.op_type for node in made.graph.node)
    assert operators["Relu"] == 0  # in the range of the convolution's output
    assert {node.domain for node in made.graph.node} == {""}
    assert (made.ir_version, made.opset_import[0].version) == (8, 17)


def test_what_is_kept_in_float_is_not_quantised(fp32):
    images = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), np.uint8)
    made = quantize.to_int8(onnx.load(fp32), images, "minmax", ["Conv_0"], threads=1)
    names = {weight.name for weight in made.graph.initializer}
    assert "Conv_0.weight" in names
    assert "Gemm_0.weight_quantized" in names


def test_both_ends_are_kept_in_float_and_what_is_behind_flatten_is_not(fp32):
    graph = onnx.load(fp32)
    assert quantize.ends(graph) == ["Conv_0", "Gemm_0"]
    graph.graph.node[7].op_type = "Reshape"
    assert quantize.ends(graph) == ["Conv_0"]


def test_a_dense_layer_is_an_end_with_and_without_bias(fp32):
    graph = onnx.load(fp32)
    (dense,) = [node for node in graph.graph.node if node.op_type == "Gemm"]
    dense.op_type = "MatMul"
    del dense.input[2]
    assert quantize.ends(graph) == ["Conv_0", "Gemm_0"]


def test_a_network_of_both_ends_alone_is_quantised(fp32):
    graph = onnx.load(fp32)
    (second,) = [node for node in graph.graph.node if node.name == "Conv_1"]
    second.op_type = "Identity"
    del second.input[1]
    assert quantize.ends(graph) == []
    images = np.random.default_rng(1).integers(0, 256, (40, 32, 32, 3), np.uint8)
    made = quantize.to_int8(graph, images, "minmax", quantize.ends(graph), threads=1)
    np.testing.assert_allclose(answers(made, images), answers(graph, images), atol=0.1)


def test_fp16_takes_pixels_and_gives_float32(fp32, data, tmp_path):
    quantize.quantize_model(fp32, data, "fp16", tmp_path / "fp16.onnx", **INT8)
    made = onnx.load(tmp_path / "fp16.onnx")
    images = np.random.default_rng(1).integers(0, 256, (40, 32, 32, 3), np.uint8)
    np.testing.assert_allclose(answers(made, images), answers(onnx.load(fp32), images), atol=0.01)
    kernel = next(weight for weight in made.graph.initializer if weight.name == "Conv_0.weight")
    assert kernel.data_type == TensorProto.FLOAT16
    last = made.graph.node[-1]
    assert (last.op_type, list(last.output)) == ("Softmax", ["probabilities"])  # in float32: what goes in is cast
    assert identify(open_session(tmp_path / "fp16.onnx", "cpu", 1), fp32).precision == "fp16"


def test_metadata_say_how_and_keep_the_rest(fp32, data, tmp_path):
    quantize.quantize_model(fp32, data, "int8", tmp_path / "int8.onnx", **INT8)
    facts = read_metadata(onnx.load(tmp_path / "int8.onnx"))
    assert (facts["precision"], facts["variant"], facts["protocol"]) == ("int8", "tiny", "notebook")
    assert facts["fp32_sha256"] == sha256(fp32)
    assert "top1_agreement" not in facts  # it was fp32's
    calibration = json.loads(facts["calibration"])
    assert (calibration["method"], calibration["seed"]) == ("minmax", 3)
    assert len(set(calibration["train_indices"])) == 16
    kept = {weight.name for weight in onnx.load(tmp_path / "int8.onnx").graph.initializer}
    assert {"Conv_0.weight", "Conv_1.weight_quantized", "Gemm_0.weight"} <= kept  # both ends in float


def test_calibration_never_sees_an_image_that_was_held_out(fp32, data, tmp_path, monkeypatch):
    seen = []
    to_int8 = quantize.to_int8

    def watched(graph, images, *args, **kwargs):
        seen.append(images)
        return to_int8(graph, images, *args, **kwargs)

    monkeypatch.setattr(quantize, "to_int8", watched)
    quantize.quantize_model(fp32, data, "int8", tmp_path / "int8.onnx", **INT8 | {"images": 1000})
    assert len(seen[0]) == 20
    assert seen[0].max() < 128
    quantize.quantize_model(fp32, data, "int8", tmp_path / "int8.onnx", **INT8 | {"images": 4})
    chosen = json.loads(read_metadata(onnx.load(tmp_path / "int8.onnx"))["calibration"])["train_indices"]
    np.testing.assert_array_equal(seen[1], load_split(data).images[chosen])


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(fp32, data, tmp_path):
    hashes = []
    for seed in (0, 0, 1):
        quantize.quantize_model(fp32, data, "int8", tmp_path / "int8.onnx", **INT8 | {"seed": seed})
        hashes.append(sha256(tmp_path / "int8.onnx"))
    assert hashes[0] == hashes[1] != hashes[2]


def refused(match, *args):
    out = args[-1]
    with pytest.raises(ResbenchError, match=match) as caught:
        quantize.quantize_model(*args, **INT8)
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_what_cannot_be_quantised_is_one_line(fp32, data, tmp_path):
    out = tmp_path / "int8.onnx"
    other = tmp_path / "other.npz"
    save_split(other, Split(np.zeros((3, 32, 32, 3), np.uint8), np.arange(3, dtype=np.uint8), np.array(CLASSES)))
    refused("not the images that .* was trained on", fp32, other, "int8", out)
    refused("no such file", tmp_path / "nothing.onnx", data, "int8", out)
    refused("is int8, not fp32", tiny_model(tmp_path / "a.onnx", precision="int8"), data, "int8", out)
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(fp32.read_bytes()[:500])
    refused("not a model that loads", cut, data, "int8", out)
    for count in ("31", "0", "-1", "many", ""):
        facts = {"train_sha256": sha256(data), "train_images": count}
        refused("its metadata are malformed", tiny_network(tmp_path / "b.onnx", **facts), data, "int8", out)
    strange = tiny_model(tmp_path / "c.onnx")  # no convolution
    model = onnx.load(strange)
    onnx.helper.set_model_props(model, read_metadata(model) | {"train_sha256": sha256(data), "train_images": "20"})
    onnx.save(model, strange)
    refused("cannot be made int8", strange, data, "int8", out)
    refused("cannot be made fp16", tiny_model(tmp_path / "d.onnx", last="LogSoftmax"), data, "fp16", out)


def network(nodes, constants):
    """A graph of these nodes from 3×32×32 floats on, which begin as `pixels`; the last one gives `probabilities`."""
    first = [
        helper.make_node("Cast", ["image"], ["floats"], "Cast_0", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["pixels"], "Transpose_0", perm=[0, 3, 1, 2]),
    ]
    last = [
        helper.make_node("GlobalAveragePool", [nodes[-1].output[0]], ["pooled"], "GlobalAveragePool_0"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "Flatten_0"),
        helper.make_node("Softmax", ["flat"], ["probabilities"], "Softmax_0"),
    ]
    graph = helper.make_graph(
        [*first, *nodes, *last],
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 32, 32, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", None])],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def test_int8_takes_layers_with_weights_and_what_passes_their_values_on():
    """Not the constant factor that leads to Erf alone, nor the product with what Erf gives."""
    kernel = np.random.default_rng(0).normal(size=(8, 3, 1, 1)) / 100
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["a"], "Conv_0"),
        helper.make_node("Mul", ["a", "factor"], ["b"], "Mul_0"),
        helper.make_node("Erf", ["b"], ["c"], "Erf_0"),
        helper.make_node("Mul", ["a", "c"], ["d"], "Mul_1"),
        helper.make_node("Conv", ["d", "second"], ["e"], "Conv_1"),
        helper.make_node("LeakyRelu", ["e"], ["f"], "LeakyRelu_0"),
        helper.make_node("Concat", ["e", "f"], ["g"], "Concat_0", axis=1),
    ]
    graph = network(nodes, {"kernel": kernel, "second": np.ones((8, 8, 1, 1)), "factor": 0.7})
    names = quantize.quantized_nodes(graph)
    assert names == ["Conv_0", "Conv_1", "LeakyRelu_0", "Concat_0", "GlobalAveragePool_0", "Flatten_0"]
    images = np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), np.uint8)
    made = quantize.to_int8(graph, images, "minmax", [], threads=1)
    np.testing.assert_allclose(answers(made, images), answers(graph, images), atol=0.05)


def test_a_product_of_activations_stays_in_float():
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["a"], "Conv_0"),
        helper.make_node("MatMul", ["a", "a"], ["b"], "MatMul_0"),
    ]
    assert "MatMul_0" not in quantize.quantized_nodes(network(nodes, {"kernel": np.ones((4, 3, 1, 1))}))


def test_a_network_without_weights_cannot_be_made_int8():
    graph = network([helper.make_node("Relu", ["pixels"], ["a"], "Relu_0")], {})
    with pytest.raises(ValueError, match="no layer with weights"):
        quantize.to_int8(graph, np.zeros((1, 32, 32, 3), np.uint8), "minmax", [], threads=1)


def test_fp16_keeps_in_float32_what_overflows():
    """Squares of values above 256 do not fit into float16, as in the variance that a normalisation computes."""
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["a"], "Conv_0"),
        helper.make_node("Pow", ["a", "two"], ["b"], "Pow_0"),
        helper.make_node("Sqrt", ["b"], ["c"], "Sqrt_0"),
        helper.make_node("Mul", ["c", "factor"], ["d"], "Mul_0"),
    ]
    kernel = np.random.default_rng(0).normal(size=(4, 3, 1, 1))
    graph = network(nodes, {"kernel": kernel, "two": 2.0, "factor": 0.01})
    images = np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), np.uint8)
    half = quantize.to_fp16(graph)
    np.testing.assert_allclose(answers(half, images), answers(graph, images), atol=0.01)
    kernels = [weight for weight in half.graph.initializer if weight.name == "kernel"]
    assert kernels[0].data_type == TensorProto.FLOAT16
