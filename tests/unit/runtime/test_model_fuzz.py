"""Hostile and damaged .onnx files: opened or refused in one line, without reading any other file.

RESBENCH_FUZZ=5000 makes it that many mutations.
"""

import os
import random

import numpy as np
import onnx
import pytest
from data_helpers import mutate
from onnx import TensorProto, helper
from resbench.common.errors import ResbenchError
from resbench.runtime.sessions import identify, infer, open_session
from tiny_models import tiny_model

ROUNDS = int(os.environ.get("RESBENCH_FUZZ", "150"))
IMAGES = np.zeros((2, 32, 32, 3), np.uint8)


def try_model(path):
    """Open and run a model; whether that went well."""
    try:
        session = open_session(path, "cpu", 1)
        identify(session, path)
        infer(session, path, IMAGES)
    except ResbenchError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 1000
        return False
    return True


def test_mutated_models(tmp_path):
    good = tiny_model(tmp_path / "good.onnx").read_bytes()
    path = tmp_path / "m.onnx"
    opened = 0
    for seed in range(ROUNDS):
        path.write_bytes(mutate(random.Random(f"onnx {seed}"), good))
        opened += try_model(path)
    assert opened < ROUNDS / 2  # the mutations do bite


def weights(dims=(3, 3), **external):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in external.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def write_model(path, constants, nodes):
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 32, 32, 3])]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 3])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


MEANS = [
    helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
    helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[1, 2], keepdims=0),
]
LINEAR = [
    *MEANS,
    helper.make_node("MatMul", ["means", "w"], ["sums"]),
    helper.make_node("Softmax", ["sums"], ["probabilities"]),
]


@pytest.mark.parametrize("location", ["/etc/services", "../secret.bin", "link.bin", "/dev/zero", "no such file"])
def test_weights_in_other_places_are_not_read(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(np.eye(3, dtype=np.float32).tobytes())
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/link.bin").symlink_to(tmp_path / "secret.bin")
    assert not try_model(write_model(tmp_path / "sub/m.onnx", [weights(location=location)], LINEAR))


@pytest.mark.parametrize("dims", [(1 << 20, 1 << 20), (1 << 31, 1 << 31), (3, 1 << 40), (-1, 3)])
def test_weights_of_absurd_sizes_are_refused(tmp_path, dims):
    (tmp_path / "w.bin").write_bytes(bytes(36))
    assert not try_model(write_model(tmp_path / "m.onnx", [weights(dims, location="w.bin")], LINEAR))
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(36))
    assert not try_model(write_model(tmp_path / "m.onnx", [tensor], LINEAR))


def test_a_node_that_asks_for_terabytes_is_refused(tmp_path):
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1 << 22, 1 << 22])
    nodes = [
        *MEANS,
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceMean", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("Add", ["means", "zero"], ["sums"]),
        helper.make_node("Softmax", ["sums"], ["probabilities"]),
    ]
    assert not try_model(write_model(tmp_path / "m.onnx", [shape], nodes))


@pytest.mark.parametrize("key", ["classes", "variant"])
def test_metadata_that_are_no_text_are_refused(tmp_path, key):
    path = tiny_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    values = {entry.key: entry.value for entry in model.metadata_props}
    content = model.SerializeToString().replace(values[key].encode(), b"\xff" * len(values[key].encode()), 1)
    path.write_bytes(content)
    assert not try_model(path)
