"""A whole run on small data, and what a second one does after a change."""

import csv
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from resbench.data.datasets import DATASETS
from resbench.report.columns import REPORT_COLUMNS
from resbench.report.schema import COMPARISONS, REPORT
from trees import settings

MEASURED = ("accuracy_mean", "keras_accuracy_mean", "loss_mean", "load_ms", "first_ms", "latency_min_ms")
REPORTING = {"collate", "page", "bundle", "default"}
VARIANTS = ("pool", "resnet20")
NETWORKS = Path("workflow/resbench/networks")


def change(path: Path) -> None:
    path.write_text(path.read_text() + "\nCHANGED = True\n")


def trained(planned: set[tuple[str, str]]) -> set[str]:
    return {variant for rule, variant in planned if rule == "train"}


def test_the_report_has_every_row_and_every_measurement(finished) -> None:
    with (finished.folder / "results/report.csv").open(newline="") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    assert reader.fieldnames == REPORT_COLUMNS
    assert sorted((row["variant"], row["precision"], row["batch_size"]) for row in rows) == sorted(
        (variant, precision, size) for variant in VARIANTS for precision in ("fp32", "int8") for size in ("1", "2")
    )
    for row in rows:
        assert (row["provider"], row["threads"], row["seeds"]) == ("cpu", "1", "1")
        assert (row["train_images"], row["epochs"]) == ("64", "1")
        assert all(float(row[column]) > 0 for column in (*MEASURED, "latency_p50_ms", "throughput_ips", "peak_rss_mb"))
        assert float(row["accuracy_mean"]) <= 1
        assert float(row["published_accuracy"]) > 0.7
        data = yaml.safe_load((finished.folder / "test.yaml").read_text())["data"]
        assert row["dataset"] == data.get("name", DATASETS[data["dataset"]].title)
    assert all(variant in (finished.folder / "results/report.md").read_text() for variant in VARIANTS)


def test_tables_keep_their_contract(finished) -> None:
    REPORT.validate(pd.read_csv(finished.folder / "results/report.csv"))
    compared = COMPARISONS.validate(pd.read_csv(finished.folder / "results/comparisons.csv"))
    pairs = {(row["metric"], row["first"], row["second"]) for _, row in compared.iterrows()}
    expected = {("accuracy", "pool", "resnet20"), ("latency", "pool", "resnet20"), ("accuracy", "pool", "published")}
    assert expected < pairs


def test_every_stage_left_its_files(finished) -> None:
    results = finished.folder / "results"
    expected = {"data/train.npz", "data/test.npz", "data/summary.json", "data/samples.png", "data/source.json"}
    expected |= {"latency/cpu/samples.csv", "latency/cpu/host.json"}
    expected |= {"report.html", "figures/confusion.svg", "figures/learning-loss.png"}
    for variant in VARIANTS:
        own = f"{variant}/seed0"
        expected |= {f"models/{own}/model.keras", f"models/{own}/history.csv", f"predictions/{own}/fp32-cpu.npz"}
        expected |= {f"onnx/{own}/fp32.onnx", f"onnx/{own}/parity.json"}
    assert {name for name in expected if not (results / name).stat().st_size} == set()
    assert [path.name for path in results.rglob(".*") if path.is_file() and path.name != ".snakemake_timestamp"] == []


def test_training_speaks_on_the_terminal_and_in_the_log(finished) -> None:
    for path in ("logs/train/pool/seed0.log", "complete"):
        assert "pool seed 0: test accuracy" in (finished.folder / path).read_text()


def test_a_second_run_does_nothing(finished) -> None:
    assert finished.planned() == set()


@pytest.mark.parametrize(
    ("name", "variants"),
    [
        ("variants/pool.py", {"pool"}),
        ("layers.py", set(VARIANTS)),
        ("deep.py", {"resnet20"}),
        ("variants/basic.py", set()),
    ],
)
def test_a_changed_network_is_trained_again_and_no_other(spoiled, name: str, variants: set[str]) -> None:
    change(spoiled.folder / NETWORKS / name)
    planned = spoiled.planned()
    assert trained(planned) == variants
    assert {rule for rule, _ in planned}.isdisjoint({"digits", "download", "convert"})
    assert {variant for rule, variant in planned if rule == "export"} == variants


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"training": {"epochs": 2}}, {"train", "export", "quantize", "evaluate", "latency", *REPORTING}),
        ({"benchmark": {"rounds": 2, "scenarios": "smoke"}}, {"latency", "scenarios", *REPORTING}),
        ({"data": {"name": "other words"}}, REPORTING),
        ({"training": {"device": "auto"}, "data": {"window_s": 5}}, set()),
    ],
    ids=["epochs", "rounds and scenarios", "name", "device, patience, and a new date on a network"],
)
def test_a_changed_setting_reruns_what_depends_on_it(spoiled, changes, rules) -> None:
    config = yaml.safe_load((spoiled.folder / "test.yaml").read_text())
    spoiled.configure(**config | {section: config[section] | values for section, values in changes.items()})
    os.utime(spoiled.folder / NETWORKS / "variants/pool.py")
    shutil.rmtree(spoiled.folder / "results/checks")  # which alone trains nothing again
    planned = spoiled.planned()
    assert {rule for rule, _ in planned} == rules | ({"check"} if "train" in rules else set())
    assert trained(planned) == (set(VARIANTS) if "train" in rules else set())


def test_a_default_that_is_written_out_changes_no_job(tree) -> None:
    """Parameters are as before, so that nothing is trained or timed again."""
    commands = []
    for training, benchmark in ({}, {}), ({"epochs": 10, "batch_size": 32, "limit": None}, {"rounds": 3}):
        tree.configure(training=training, benchmark={"preset": "smoke"} | benchmark)
        status, output = tree.snakemake("--dry-run", "--printshellcmds")
        assert status == 0, output
        commands.append(sorted(set(re.findall(r"resbench (?:train|latency) (?:.*\\\n)*.*", output))))
    assert commands[0] == commands[1]
    assert len(commands[0]) == 10


@pytest.fixture(scope="module")
def snakemake_report(finished) -> str:
    status, output = finished.snakemake("--report", "snakemake-report.html")
    assert status == 0, output
    return (finished.folder / "snakemake-report.html").read_text()


@pytest.mark.parametrize("name", ["report.csv", "comparisons.csv", "report.html", "figures/learning-loss.svg"])
def test_snakemakes_report_misses_nothing(snakemake_report: str, name: str) -> None:
    assert f'"results/{name}": {{"name": ' in snakemake_report


def test_snakemakes_report_has_captions_categories_and_labels(snakemake_report: str) -> None:
    captions = ("Start with the page", "One row for each variant", "Every pair of models", "Mean over seeds by epoch")
    labels = ('"labels": {"table": "measurements"}', '"labels": {"figure": "confusion"}')
    expected = (*captions, *labels, '"Tables": {', '"Figures": {', '"Page": {')
    assert [words for words in expected if words not in snakemake_report] == []


@pytest.mark.parametrize(
    ("device", "words", "asked"),
    [("cpu", (), "0"), ("gpu", (), "1"), ("auto", (), "0"), ("auto", ("--default-resources", "gpu_nodes=1"), "1")],
)
def test_a_training_asks_for_a_gpu_only_where_there_is_one(tree, monkeypatch, device, words, asked) -> None:
    (tree.folder / "nvidia-smi").write_text("#!/bin/sh\nexit 1\n")
    (tree.folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setattr(os, "defpath", f"{tree.folder}:{os.defpath}")
    tree.configure(**settings() | {"training": {"device": device}})
    status, output = tree.snakemake("--dry-run", *words)
    assert status == 0, output
    train = re.findall(r"^rule train:\n(?:    .*\n)*?    threads: (\d+)\n    resources: (.*)", output, re.MULTILINE)
    assert {(threads, re.search(r"\bgpu=(\d)", resources)[1]) for threads, resources in train} == {("2", asked)}
