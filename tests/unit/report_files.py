"""The files of an experiment as the stages leave them, for the tests of the report."""

import csv
import json

import numpy as np
import pytest
from resbench.benchmark.columns import SAMPLE_COLUMNS
from resbench.common.errors import ResbenchError
from resbench.data.datasets import DATASETS
from resbench.report.collate import ReportFiles, collate_report

LABELS = np.array([0, 1] * 50, np.uint8)
PUBLISHED = {  # accuracy, loss, protocol, kind
    "pool": (0.7307, 0.9882, "notebook", "result"),
    "basic": (0.6388, 1.4769, "notebook", "result"),
    "resnet20": (0.9125, None, "he2015", "result"),
    "resnet8": (0.85, None, None, "target"),
    "deep": (None, None, None, None),
}


class Results:
    """The files of an experiment, good unless a test changes them."""

    def __init__(self, folder):
        self.folder = folder
        self.parity, self.predictions, self.timings = [], [], []
        self.summary = folder / "summary.json"
        self.summary.write_text(json.dumps({"sha256": DATASETS["cifar10"].sha256, "source": "https://host/a.tar.gz"}))

    def model(self, variant, seed, *, right, **changes):
        """A model that gets the first `right` of 100 images right, or those where it is true, with probability 0.8."""
        accuracy, loss, protocol, kind = PUBLISHED[variant]
        content = {
            "variant": variant,
            "seed": seed,
            "protocol": "notebook",
            "epochs": 10,
            "batch_size": 32,
            "train_images": 50000,
            "train_seconds": 100.0 + seed,
            "parameters": 2092746,
            "macs": 413000000,
            "model_bytes": 8000000 + seed,
            "published_accuracy": accuracy,
            "published_loss": loss,
            "published_protocol": protocol,
            "published_kind": kind,
            "test_images": 100,
            "top1_agreement": 1.0 - seed / 1000,
            "max_abs_diff": (1 + seed) * 1e-7,
            "keras_accuracy": float(np.mean(answers(right))),
            "keras_loss": 0.5,
            "device": "cpu",
        }
        path = self.folder / f"{variant}-{seed}-{len(self.parity)}.json"
        path.write_text(json.dumps(content | changes))
        self.parity.append(path)
        self.predict(variant, seed, right=right)

    def predict(self, variant, seed, *, right, labels=LABELS, precision="fp32", provider="cpu"):
        probabilities = np.full((len(labels), 2), 0.2, np.float32)
        chosen = np.where(answers(right, len(labels)), labels, 1 - labels)
        probabilities[np.arange(len(labels)), chosen] = 0.8
        names = {"variant": variant, "seed": str(seed), "precision": precision, "provider": provider}
        path = self.folder / f"{variant}-{seed}-{len(self.predictions)}.npz"
        arrays = {key: np.array(value) for key, value in {**names, "model_sha256": "00", "model_bytes": 1000}.items()}
        np.savez(path, probabilities=probabilities, labels=labels, **arrays)
        self.predictions.append(path)

    def time(self, rows, host=None, columns=SAMPLE_COLUMNS):
        samples = self.folder / f"samples{len(self.timings)}.csv"
        with samples.open("w", newline="") as stream:
            csv.writer(stream).writerows([columns, *rows])
        path = self.folder / f"host{len(self.timings)}.json"
        provider = dict(zip(columns, rows[0], strict=False)).get("provider", "cpu") if rows else "cpu"
        machine = {
            "name": "Test CPU, 2 cores",
            "provider": provider,
            "packages": {"numpy": "2.4.6"},
            "python": "3.11.7",
        }
        path.write_text(json.dumps(machine if host is None else host))
        self.timings.append((samples, path))

    def collate(self, dataset="CIFAR-10", deployment=None):
        """The rows of report.csv, and report.md."""
        if dataset != "CIFAR-10":
            self.summary.write_text(json.dumps({"sha256": "ab" * 32, "source": "https://host/a.tar.gz"}))
        files = ReportFiles.of(self.folder / "out")
        sources = (self.summary, self.parity, self.predictions, self.timings)
        collate_report(files, *sources, name=dataset, deployment=deployment)
        return rows_of(files.report), files.markdown.read_text(encoding="utf-8")

    def compare(self, dataset="CIFAR-10"):
        """The rows of comparisons.csv."""
        self.collate(dataset)
        return rows_of(self.folder / "out" / "comparisons.csv")

    def refused(self, match):
        with pytest.raises(ResbenchError, match=match) as caught:
            self.collate()
        assert "\n" not in str(caught.value)
        assert not [path for path in self.folder.rglob("*") if "report" in path.name or "comparisons" in path.name]


def answers(right, images=100):
    return np.arange(images) < right if isinstance(right, int) else np.asarray(right)


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def calls(
    variant, latencies, *, seed=0, precision="fp32", batch_size=1, threads=1, number=1, provider="cpu", load=20.0
):
    shared = [
        f"onnx/{variant}",
        variant,
        seed,
        precision,
        provider,
        batch_size,
        threads,
        number,
        load,
        load / 10,
        50 + load,
    ]
    return [[*shared, call, ms] for call, ms in enumerate(latencies, 1)]
