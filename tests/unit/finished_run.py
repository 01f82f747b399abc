"""A finished run of two tiny networks, laid out as the workflow does: made once, copied for tests that change it."""

import json
import shutil
import zipfile

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper
from report_files import calls
from resbench.benchmark.columns import SAMPLE_COLUMNS, SCENARIO_COLUMNS
from resbench.benchmark.predictions import evaluate_test_sets
from resbench.common.files import sha256, write_checksums
from resbench.data.contact_sheet import contact_sheet
from resbench.data.corruptions import corrupt_split
from resbench.data.store import Split, load_split, save_split
from resbench.deploy.bundle import write_bundle
from resbench.export.metadata import read_metadata, write_metadata
from resbench.report.collate import ReportFiles, collate_report
from resbench.report.html.page import write_page
from resbench.report.html.page_inputs import PageFiles, read_page_inputs
from resbench.report.recommendation import Deployment
from resbench.report.robustness import write_robustness
from resbench.training.record import add_record
from tiny_models import CLASSES, tiny_model

NETWORKS = {"pool": 10.0, "basic": 6.0}
SPEED = {"fp32": 3.0, "int8": 1.0}
CORRUPTED = "contrast-3"
GIT = {"git": {"commit": "1" * 40, "dirty": False}}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "results"
    write_data(folder / "data")
    parity = [write_model(folder, variant) for variant in NETWORKS]
    predictions = [write_predictions(folder, variant, precision) for variant in NETWORKS for precision in SPEED]
    timings = write_latency(folder / "latency/cpu")
    where = Deployment(provider="cpu", batch_size=1, threads=1)
    summary = folder / "data/summary.json"
    robustness = folder / "robustness.csv"
    extra = [path.with_suffix("") / f"{CORRUPTED}.npz" for path in predictions]
    write_robustness(robustness, [*predictions, *extra])
    corrupted = folder / f"data/corrupted/{CORRUPTED}.npz"
    write_checksums(folder / "SHA256SUMS.robustness", [corrupted, *predictions, *extra, robustness])
    sources = (summary, parity, predictions, [timings])
    collate_report(ReportFiles.of(folder), *sources, deployment=where, robustness=robustness)
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


@pytest.fixture(scope="session")
def finished_page(finished, tmp_path_factory):
    """The same with its page, and with what is shown there alone: making it again takes seconds."""
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("page") / "results")
    write_scenarios(folder / "scenarios.csv")
    predictions = [folder / f"predictions/{variant}/seed0/{name}-cpu.npz" for variant in NETWORKS for name in SPEED]
    write_report_page(folder, predictions, (folder / "latency/cpu/samples.csv", folder / "latency/cpu/host.json"))
    return folder


@pytest.fixture
def run_page(finished_page, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(finished_page, tmp_path / "results")


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
    save_split(folder / f"corrupted/{CORRUPTED}.npz", corrupt_split(load_split(folder / "test.npz"), CORRUPTED))
    hashes = {f"{name}_sha256": sha256(folder / f"{name}.npz") for name in ("train", "test")}
    source = {"sha256": "ab" * 32, "source": "photos"}
    (folder / "summary.json").write_text(json.dumps(source | hashes))
    (folder / "source.json").write_text(json.dumps(source | {"bytes": 1000, "verified": False}))
    contact_sheet(load_split(folder / "train.npz")).save(folder / "samples.png")


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
    write_history(model.with_name("history.csv"))
    fp32 = tiny_model(onnx_folder / "fp32.onnx", variant=variant, scale=NETWORKS[variant])
    graph = onnx.load(fp32)
    write_metadata(graph, read_metadata(graph) | {"macs": 5000, "keras_loss": 0.5})
    onnx.save(graph, fp32)
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
    corrupted = folder / f"data/corrupted/{CORRUPTED}.npz", path.with_suffix("") / f"{CORRUPTED}.npz"
    evaluate_test_sets(graph, [(folder / "data/test.npz", path), corrupted], "cpu", threads=1)
    return path


def write_history(path):
    """Two epochs on 30 images, of 0.75 s each."""
    nothing = [np.nan, np.nan]
    columns = {"epoch": [1, 2], "loss": [1.5, 1.25], "accuracy": [0.5, 0.75], "images_per_second": [40.0, 40.0]}
    columns |= {"seconds": [0.75, 0.75], "validation_loss": nothing, "validation_accuracy": nothing}
    columns |= {"test_loss": [np.nan, 0.5], "test_accuracy": [np.nan, 0.9]}
    pd.DataFrame(columns).to_csv(path, index=False)


def write_scenarios(path):
    shared = {"seed": 0, "provider": "cpu", "threads": 1, "scenario": "SingleStream", "preset": "smoke"}
    shared |= {"batch_size": 1, "verdict": "VALID", "reason": "", "loadgen": "6.0.17", "host": "a host"}
    rows = [
        shared
        | {"model": f"onnx/{variant}", "variant": variant, "precision": precision, "rate_ips": 900 / ms}
        | {"p50_ms": ms, "p90_ms": 1.1 * ms, "p99_ms": 1.2 * ms}
        for variant in NETWORKS
        for precision, ms in SPEED.items()
    ]
    pd.DataFrame(rows, columns=SCENARIO_COLUMNS).to_csv(path, index=False)


def write_report_page(folder, predictions, timings):
    files = PageFiles(
        report=folder / "report.csv",
        comparisons=folder / "comparisons.csv",
        recommendation=folder / "recommendation.json",
        summary=folder / "data/summary.json",
        test=folder / "data/test.npz",
        histories=[folder / f"models/{variant}/seed0/history.csv" for variant in NETWORKS],
        predictions=predictions,
        timings=[timings],
        scenarios=folder / "scenarios.csv",
        robustness=folder / "robustness.csv",
    )
    config = json.dumps({"seeds": [0], "variants": list(NETWORKS), "training": {"epochs": 2, "note": "a <b> & 'c'"}})
    page, figures = folder / "report.html", folder / "figures"
    write_page(page, figures, read_page_inputs(files, config))
    write_checksums(folder / "SHA256SUMS.page", [*files.paths(), page, *sorted(figures.iterdir())])


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
    pd.DataFrame(rows, columns=SAMPLE_COLUMNS).to_csv(folder / "samples.csv", index=False)
    (folder / "host.json").write_text(
        json.dumps({"name": "a host", "provider": "cpu", "time_utc": "2026-11-26T12:00:00+00:00"} | GIT)
    )
    return folder / "samples.csv", folder / "host.json"
