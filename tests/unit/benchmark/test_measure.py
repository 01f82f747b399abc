"""Measuring on another machine: outputs are checked against the stored ones first, and a whole folder is written."""

import csv
import shutil

import numpy as np
import pytest
from resbench.benchmark.measure import find_sources, measure_models
from resbench.benchmark.plan import LatencyRequest
from resbench.benchmark.predictions import evaluate_test_sets, load_predictions, save_predictions
from resbench.common.errors import ResbenchError
from resbench.common.files import read_json
from resbench.data.store import Split, load_split, save_split
from resbench.runtime.providers import provider
from tiny_models import CLASSES, tiny_model


def quick(name):
    return LatencyRequest(name, batch_sizes=[2], threads=[1], preset="smoke", rounds=1)


@pytest.fixture
def run(tmp_path):
    """A results folder: pool from seeds 0 and 1 in two precisions, basic from seed 1, evaluated on the CPU."""
    root = tmp_path / "results"
    colours = np.random.default_rng(0).integers(0, 256, (12, 1, 1, 3), np.uint8)
    save_split(
        root / "data/test.npz",
        Split(np.broadcast_to(colours, (12, 32, 32, 3)).copy(), np.zeros(12, np.uint8), np.array(CLASSES)),
    )
    for variant, seed, precision in [("pool", "0", "fp32"), ("pool", "0", "int8"), ("pool", "10", "fp32"),
                                     ("basic", "1", "fp32"), ("basic", "1", "fp16")]:  # fmt: skip
        folder = root / "onnx" / variant / f"seed{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        tiny_model(folder / f"{precision}.onnx", variant=variant, seed=seed, precision=precision)
        stored = root / "predictions" / variant / f"seed{seed}" / f"{precision}-cpu.npz"
        evaluate_test_sets(folder / f"{precision}.onnx", [(root / "data/test.npz", stored)], "cpu", threads=1)
    return root


def test_a_results_folder_gives_each_variant_s_first_seed(run):
    sources = find_sources(run, provider("cpu"))
    models = {str(source.model.relative_to(run / "onnx")) for source in sources}
    assert models == {"pool/seed0/fp32.onnx", "pool/seed0/int8.onnx", "basic/seed1/fp32.onnx", "basic/seed1/fp16.onnx"}
    assert all(source.predictions.is_file() and source.images.is_file() for source in sources)


def test_one_file_of_a_results_folder_brings_its_predictions(run):
    model = run / "onnx/pool/seed10/fp32.onnx"
    (source,) = find_sources(model, provider("openvino"))
    assert source.predictions == run / "predictions/pool/seed10/fp32-cpu.npz"


@pytest.mark.parametrize("name", ["cpu", "openvino"])
def test_the_folder_holds_samples_environment_predictions_and_agreement(run, tmp_path, name):
    out = tmp_path / "board"
    measure_models([run / "onnx/pool/seed0/fp32.onnx", run / "onnx/basic/seed1/fp16.onnx"], out, quick(name))
    host = read_json(out / "latency" / name / "host.json")
    assert host["provider"] == name
    assert host["runtime_version"]
    assert any("fp16.onnx was left out: fp16 is not measured" in note for note in host["notes"])
    with (out / "latency" / name / "samples.csv").open(newline="") as stream:
        assert {row["variant"] for row in csv.DictReader(stream)} == {"pool"}
    (row,) = read_json(out / "agreement.json")
    assert (row["variant"], row["provider"], row["stored_provider"]) == ("pool", name, "cpu")
    assert (row["images"], row["top1_agreement"]) == (12, 1.0)
    assert row["max_abs_diff"] < 1e-5
    assert load_predictions(out / f"predictions/pool/seed0/fp32-{name}.npz").provider == name
    assert not list(tmp_path.glob(".board*"))


def refused(folder, paths, match, name="cpu"):
    with pytest.raises(ResbenchError, match=match) as caught:
        measure_models(paths, folder / "out", quick(name))
    assert "\n" not in str(caught.value)
    assert not (folder / "out").exists()


def test_a_model_that_computes_a_different_function_here_is_refused(run, tmp_path):
    path = run / "predictions/pool/seed0/fp32-cpu.npz"
    stored = load_predictions(path)
    softer = stored.probabilities * np.float32(0.99) + np.float32(0.01 / 3)  # the same classes
    for changes, said in (
        ({"probabilities": stored.probabilities[:, ::-1].copy()}, "computes a different function here"),
        ({"probabilities": softer}, "here: 100.00 % of the classes are those of cpu"),
        ({"labels": stored.labels + np.uint8(1)}, "its stored predictions are of other images"),
        ({"model_sha256": "0" * 64}, "of another file than"),
    ):
        save_predictions(path, stored._replace(**changes))
        refused(tmp_path, [run / "onnx/pool/seed0/fp32.onnx"], said)


def test_what_does_not_belong_together_is_refused(run, tmp_path):
    model = run / "onnx/pool/seed0/fp32.onnx"
    alone = tiny_model(tmp_path / "alone.onnx", variant="alone")
    refused(tmp_path, [model, alone], r"alone\.onnx: not of the same test images")
    other = shutil.copytree(run, tmp_path / "other")
    split = load_split(run / "data/test.npz")
    save_split(other / "data/test.npz", split._replace(images=255 - split.images))
    refused(tmp_path, [model, other / "onnx/basic/seed1/fp32.onnx"], "not of the same test images")
    refused(tmp_path, [tmp_path], "not a results folder, bundle or .onnx file")
    refused(tmp_path, [run / "onnx/basic/seed1/fp16.onnx"], "none of the models is in fp32 or int8")
    refused(tmp_path, [model, model], "same variant, seed and precision")
    (run / "predictions/pool/seed0/fp32-cpu.npz").unlink()
    refused(tmp_path, [model], "holds no predictions of it")


def test_a_model_alone_is_timed_on_random_pixels(tmp_path):
    alone = tiny_model(tmp_path / "theirs.onnx", variant=None)
    measure_models([alone], tmp_path / "out", quick("cpu"))
    assert read_json(tmp_path / "out/latency/cpu/host.json")["images"] == "random pixels"
    assert read_json(tmp_path / "out/agreement.json") == []
