"""ONNX models of a few hundred bytes that keep, or break, the suite's contract."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = ["cat", "dog", "ship"]


def tiny_model(
    path: Path,
    *,
    variant: str | None = "pool",
    seed: str = "0",
    precision: str = "fp32",
    classes: list[str] | None = None,
    image: str = "image",
    image_type: int = TensorProto.UINT8,
    image_shape: tuple[int | str, ...] = ("N", 32, 32, 3),
    output: str = "probabilities",
    last: str = "Softmax",
    scale: float = 10.0,
) -> Path:
    """Softmax over the scaled means of the three channels: a red image is a cat, green a dog, blue a ship."""
    nodes = [
        helper.make_node("Cast", [image], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["means", "scale"], ["logits"]),
        helper.make_node(last, ["logits"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(image, image_type, image_shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.array(scale / 255, np.float32), "scale")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    if variant is not None:
        names = json.dumps(CLASSES if classes is None else classes)
        helper.set_model_props(model, {"variant": variant, "seed": seed, "precision": precision, "classes": names})
    onnx.save(model, path)
    return path


def tiny_network(path: Path, *, seed: int = 0, **metadata: str) -> Path:
    """Two convolutions, pooling and a dense layer of random weights, with the operators and names of exported ones."""
    random = np.random.default_rng(seed)
    constants = {
        "Mul_0.constant1": np.array(1 / 255, np.float32),
        "Conv_0.weight": random.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "Conv_0.bias": random.normal(size=8).astype(np.float32),
        "Conv_1.weight": random.normal(size=(8, 8, 1, 1)).astype(np.float32),
        "Squeeze_0.constant1": np.array([2, 3], np.int64),
        "Gemm_0.weight": random.normal(size=(8, 3)).astype(np.float32),
        "Gemm_0.bias": random.normal(size=3).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["Cast_0:0"], "Cast_0", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["Cast_0:0", "Mul_0.constant1"], ["Mul_0:0"], "Mul_0"),
        helper.make_node("Transpose", ["Mul_0:0"], ["Transpose_0:0"], "Transpose_0", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["Transpose_0:0", "Conv_0.weight", "Conv_0.bias"], ["Conv_0:0"], "Conv_0"),
        helper.make_node("Relu", ["Conv_0:0"], ["Relu_0:0"], "Relu_0"),
        helper.make_node("Conv", ["Relu_0:0", "Conv_1.weight"], ["Conv_1:0"], "Conv_1"),
        helper.make_node("GlobalAveragePool", ["Conv_1:0"], ["GlobalAveragePool_0:0"], "GlobalAveragePool_0"),
        helper.make_node("Squeeze", ["GlobalAveragePool_0:0", "Squeeze_0.constant1"], ["Squeeze_0:0"], "Squeeze_0"),
        helper.make_node("Gemm", ["Squeeze_0:0", "Gemm_0.weight", "Gemm_0.bias"], ["Gemm_0:0"], "Gemm_0"),
        helper.make_node("Softmax", ["Gemm_0:0"], ["probabilities"], "Softmax_0"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 32, 32, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    facts = {"variant": "tiny", "seed": "0", "precision": "fp32", "classes": json.dumps(CLASSES)}
    helper.set_model_props(model, facts | metadata)
    onnx.save(model, path)
    return path
