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
