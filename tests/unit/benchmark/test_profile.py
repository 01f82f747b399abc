"""The operator profile: every executed operator with its share, multiply-adds that add up, and pairs left unfused."""

import csv

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from resbench.benchmark import profile_worker
from resbench.benchmark.columns import OPERATOR_COLUMNS
from resbench.benchmark.profile import _values, profile_models
from resbench.benchmark.profile_worker import Layers, Profile
from resbench.common.errors import ResbenchError
from resbench.export.quantize import ends, to_int8
from tiny_models import tiny_network


def profiled(tmp_path, *models, **settings):
    table = tmp_path / "operators.csv"
    profile_models(list(models), table, **{"data": None, "batch_size": 2, "threads": 1} | settings)
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == OPERATOR_COLUMNS
    return rows


@pytest.fixture
def int8(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    graph = onnx.load(tiny_network(tmp_path / "fp32.onnx"))
    made = to_int8(graph, images, "minmax", ends(graph), threads=1)
    onnx.helper.set_model_props(made, {"variant": "tiny", "seed": "0", "precision": "int8"})
    onnx.save(made, tmp_path / "int8.onnx")
    return tmp_path / "int8.onnx"


def test_shares_add_up_and_multiply_adds_are_those_of_the_layers(tmp_path):
    rows = profiled(tmp_path, tiny_network(tmp_path / "m.onnx"))
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-4)
    macs = {row["layer"]: float(row["macs"]) for row in rows if row["macs"]}
    per_image = {"Conv_0": 30 * 30 * 8 * 3 * 3 * 3, "Conv_1": 30 * 30 * 8 * 8, "Gemm_0": 8 * 3}
    assert macs == {name: pytest.approx(2 * number, rel=1e-5) for name, number in per_image.items()}
    for row in rows:
        assert bool(row["gmacs_per_s"]) == bool(row["macs"]) == bool(row["peak_gmacs_per_s"])
        assert row["unfused"] == "0"
    assert {(row["variant"], row["batch_size"], row["provider"]) for row in rows} == {("tiny", "2", "cpu")}


def test_integer_layers_are_matched_by_the_runtime_s_names(tmp_path, int8):
    rows = profiled(tmp_path, int8)
    by_layer = {row["layer"]: row for row in rows}
    assert by_layer["Conv_1"]["operator"].startswith("QLinear")
    assert float(by_layer["Conv_1"]["macs"]) == pytest.approx(2 * 30 * 30 * 8 * 8, rel=1e-5)
    assert {row["unfused"] for row in rows} == {"0"}


def test_a_pair_that_is_not_fused_is_flagged(tmp_path, int8, capfd):
    """A convolution whose output is needed in float as well cannot be fused with the quantising of it."""
    graph = onnx.load(int8)
    node = next(node for node in graph.graph.node if node.name == "Conv_1")
    extra = onnx.helper.make_node("ReduceMean", [node.output[0]], ["extra"], "extra", axes=[1, 2, 3], keepdims=0)
    add = onnx.helper.make_node("Reshape", ["extra", "minus_one_by_one"], ["extra2"], "extra2")
    graph.graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "minus_one_by_one"))
    softmax = next(node for node in graph.graph.node if node.op_type == "Softmax")
    join = onnx.helper.make_node("Add", [softmax.input[0], "extra2"], ["joined"], "join")
    softmax.input[0] = "joined"
    for new in (extra, add, join):
        graph.graph.node.insert(list(graph.graph.node).index(softmax), new)
    onnx.save(graph, tmp_path / "unfused.onnx")
    rows = profiled(tmp_path, tmp_path / "unfused.onnx")
    assert {row["layer"] for row in rows if row["unfused"] == "1"} == {"Conv_1"}
    assert "operators that compute in float what it has in integers: 1" in capfd.readouterr().err


def test_names_of_the_runtime_lead_to_the_layers_of_the_file(tmp_path):
    layers = Layers(onnx.shape_inference.infer_shapes(onnx.load(tiny_network(tmp_path / "m.onnx"))))
    for name in ("Conv_0", "Conv_0_nchwc", "Conv_0_token_12", "Conv_0_nhwc_token_3", "fused Conv_0", "Relu_0:0_nchwc"):
        assert layers.find(name).name == "Conv_0"
    assert layers.find("ReorderOutput") is None


def test_times_speeds_and_shares_have_their_units(tmp_path):
    """The runtime counts in µs, the table in shares and in 10^9 multiply-adds a second."""
    layers = Layers(onnx.shape_inference.infer_shapes(onnx.load(tiny_network(tmp_path / "m.onnx"))))
    details = {"op_name": "Conv", "output_type_shape": [{"float": [2, 8, 30, 30]}]}
    runs = [{"dur": duration, "args": details} for duration in (100, 9000, 2000)]
    macs = 4 * 30 * 30 * 8 * 8
    described = profile_worker._describe("Conv_1", runs, layers, batch_size=4)
    assert (described["ms"], described["macs"], described["integer"]) == (2.0, macs, False)
    slower = described | {"layer": "Conv_2", "ms": 6.0, "integer": True}
    found = Profile([described, slower], float_peak=10.0, integer_peak=40.0)
    speed = macs / 2e-3 / 1e9
    cells = ["Conv_1", "Conv", "0.25", f"{macs:.6g}", f"{speed:.6g}", "10", 0]
    assert [_values(one, found) for one in found.operators] == [
        cells,
        ["Conv_2", "Conv", "0.75", f"{macs:.6g}", f"{speed / 3:.6g}", "40", 0],
    ]


def test_profile_and_peak_use_the_threads_asked_for(tmp_path, monkeypatch):
    asked, session = [], profile_worker.ort.InferenceSession

    def spy(model, settings, **more):
        asked.append(settings.intra_op_num_threads)
        return session(model, settings, **more)

    monkeypatch.setattr(profile_worker.ort, "InferenceSession", spy)
    monkeypatch.setattr(profile_worker, "PRODUCT_S", 0.05)
    job = profile_worker.Job(str(tiny_network(tmp_path / "m.onnx")), 1, 3)
    measured = profile_worker.profile_model(job, bytes(32 * 32 * 3))
    assert asked == [3, 3, 3]
    assert 0.05 < measured.float_peak < 2000  # 10^9 a second
    assert 0.05 < measured.integer_peak < 8000


def test_what_is_no_model_is_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ResbenchError, match=r"bad\.onnx: not a model"):
        profile_models([tmp_path / "bad.onnx"], tmp_path / "o.csv", data=None, batch_size=1, threads=1)
    assert not (tmp_path / "o.csv").exists()
