"""Results folders as a run of the workflow leaves them, for the tests of `compare`."""

import json
import shutil

import numpy as np
import onnx
from onnx import TensorProto, helper
from report_files import Results, calls

HOST = {
    "name": "Test CPU, 2 cores",
    "processor": "Test CPU",
    "cores_available": 2,
    "gpus": [],
    "runtime": "onnxruntime",
    "runtime_version": "1.26.0",
    "packages": {"numpy": "2.4.6"},
}


def run_folder(folder, *, right, latencies=None, seeds=(0, 1, 2), variant="pool", host=HOST, provider="cpu", **facts):
    """Write the folder of a run of one network on 100 images.

    right: for each seed, which images it gets right; latencies: of each round's calls, in ms; provider: of the timing;
    facts: of the training.
    """
    folder.mkdir(parents=True)
    (folder / "flat").mkdir()
    flat = Results(folder / "flat")
    for seed, hits in zip(seeds, right, strict=True):
        flat.model(variant, seed, right=hits, **facts)
        place = folder / "onnx" / variant / f"seed{seed}"
        place.mkdir(parents=True)
        shutil.move(flat.parity[-1], place / "parity.json")
        write_graph(place / "fp32.onnx", value=float(np.sum(hits)), note=str(folder))
        target = folder / "predictions" / variant / f"seed{seed}" / "fp32-cpu.npz"
        target.parent.mkdir(parents=True)
        shutil.move(flat.predictions[-1], target)
    if latencies is not None:
        rows = [
            row
            for number, times in enumerate(latencies, 1)
            for row in calls(variant, times, number=number, provider=provider)
        ]
        flat.time(rows, host=host)
        place = folder / "latency" / provider
        place.mkdir(parents=True)
        for path, name in zip(flat.timings[-1], ("samples.csv", "host.json"), strict=True):
            shutil.move(path, place / name)
    (folder / "data").mkdir()
    (folder / "data/summary.json").write_text(json.dumps({"sha256": "ab", "train_images": 500, "test_images": 100}))
    shutil.rmtree(folder / "flat")
    return folder


def write_graph(path, *, value, note):
    """A graph whose computation depends on `value` alone; `note` is in its metadata."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N"])
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N"])
    constant = helper.make_tensor("value", TensorProto.FLOAT, [], [value])
    graph = helper.make_graph([helper.make_node("Add", ["image", "value"], ["probabilities"])], "g", [image], [output])
    graph.initializer.append(constant)
    model = helper.make_model(graph, ir_version=10)
    helper.set_model_props(model, {"train_seconds": note})
    onnx.save_model(model, path)
