"""A finished run of two tiny networks, laid out as the workflow does: made once, copied for each test."""

import json
import shutil
import zipfile

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper
from report_files import calls
from resbench.benchmark.latency import COLUMNS
from resbench.benchmark.predictions import evaluate_model
from resbench.common.files import sha256
from resbench.data.corruptions import corrupt_split
from resbench.data.store import Split, load_split, save_split
from resbench.deploy.bundle import write_bundle
from resbench.report.recommendation import Deployment
from resbench.report.robustness import write_robustness
from resbench.report.table import collate_report
from resbench.training.record import add_record
from tiny_models import CLASSES, tiny_model

NETWORKS = {"pool": 10.0, "basic": 6.0}
SPEED = {"fp32": 3.0, "int8": 1.0}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "results"
    write_data(folder / "data")
    parity = [write_model(folder, variant) for variant in NETWORKS]
    predictions = [write_predictions(folder, variant, precision) for variant in NETWORKS for precision in SPEED]
    timings = write_latency(folder / "latency/cpu")
    names = ("report.csv", "comparisons.csv", "recommendation.json", "report.md", "SHA256SUMS")
    where = Deployment(provider="cpu", batch_size=1, threads=1)
    summary = folder / "data/summary.json"
    robustness = write_losses(folder, predictions)
    collate_report(*[folder / name for name in names], None, summary, parity, predictions, [timings], where, robustness)
    for variant in NETWORKS:
        write_bundle(
            folder / "model_repository" / variant,
            [folder / f"onnx/{variant}/seed0/{precision}.onnx" for precision in SPEED],
            [folder / f"predictions/{variant}/seed0/{precision}-cpu.npz" for precision in SPEED],
            folder / "report.csv",
            folder / "recommendation.json",
            folder / "data/test.npz",
            robustness,
        )
        (folder / "model_repository" / variant / ".snakemake_timestamp").touch()  # as Snakemake does
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(finished, tmp_path / "results")


def write_data(folder):
    random = np.random.default_rng(0)
    for name, count in (("train", 30), ("test", 60)):
        labels = np.arange(count, dtype=np.uint8) % 3
        images = random.integers(0, 200, (count, 32, 32, 3), np.uint8)
        images[np.arange(count), :, :, labels] += 55
        labels[: count // 10] = (labels[: count // 10] + 1) % 3
        save_split(folder / f"{name}.npz", Split(images, labels, np.array(CLASSES)))
    hashes = {f"{name}_sha256": sha256(folder / f"{name}.npz") for name in ("train", "test")}
    (folder / "summary.json").write_text(json.dumps({"sha256": "ab" * 32, "source": "photos"} | hashes))


def write_model(folder, variant):
    """A trained model, its fp32 graph with the parity, and an int8 graph; returns the parity's file."""
    data, onnx_folder = folder / "data", folder / f"onnx/{variant}/seed0"
    model = folder / f"models/{variant}/seed0/model.keras"
    for parent in (model.parent, onnx_folder):
        parent.mkdir(parents=True)
    record = {"variant": variant, "seed": 0, "protocol": "notebook", "epochs": 2, "batch_size": 32}
    record |= {"train_images": 30, "train_seconds": 1.5, "train_sha256": sha256(data / "train.npz"), "classes": CLASSES}
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("model.weights.h5", bytes(range(256)))
    add_record(model, record)
    fp32 = tiny_model(onnx_folder / "fp32.onnx", variant=variant, scale=NETWORKS[variant])
    int8 = tiny_model(onnx_folder / "int8.onnx", variant=variant, scale=NETWORKS[variant] - 1, precision="int8")
    graph = onnx.load(int8)
    facts = {entry.key: entry.value for entry in graph.metadata_props}
    helper.set_model_props(graph, facts | {"fp32_sha256": sha256(fp32)})
    onnx.save(graph, int8)
    figures = {"parameters": 1000, "macs": 5000, "published_accuracy": None, "published_loss": None}
    figures |= {"published_protocol": None, "published_kind": None, "test_images": 60, "top1_agreement": 1.0}
    figures |= {"max_abs_diff": 1e-7, "keras_accuracy": 0.9, "keras_loss": 0.5, "model_bytes": fp32.stat().st_size}
    figures |= {"keras_sha256": sha256(model), "onnx_sha256": sha256(fp32), "test_sha256": sha256(data / "test.npz")}
    path = onnx_folder / "parity.json"
    path.write_text(json.dumps(record | figures))
    return path


def write_predictions(folder, variant, precision):
    graph = folder / f"onnx/{variant}/seed0/{precision}.onnx"
    path = folder / f"predictions/{variant}/seed0/{precision}-cpu.npz"
    evaluate_model(graph, folder / "data/test.npz", "cpu", path, threads=1)
    return path


def write_losses(folder, predictions):
    """robustness.csv, of the same models on a spoilt copy of the test images."""
    spoilt = folder / "data/corrupted/contrast-3.npz"
    save_split(spoilt, corrupt_split(load_split(folder / "data/test.npz"), "contrast-3"))
    others = [path.with_suffix("") / "contrast-3.npz" for path in predictions]
    for path in others:
        place = path.parent.parent.relative_to(folder / "predictions")
        graph = folder / "onnx" / place / f"{path.parent.name.partition('-')[0]}.onnx"
        evaluate_model(graph, spoilt, "cpu", path, threads=1)
    write_robustness(folder / "robustness.csv", [*predictions, *others])
    return folder / "robustness.csv"


def write_latency(folder):
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    rows = [
        line
        for number in range(1, 6)
        for variant in NETWORKS
        for precision, ms in SPEED.items()
        for line in calls(variant, random.gamma(100, ms / 100, 10).tolist(), precision=precision, number=number)
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "samples.csv", index=False)
    (folder / "host.json").write_text(json.dumps({"name": "a host", "provider": "cpu"}))
    return folder / "samples.csv", folder / "host.json"
