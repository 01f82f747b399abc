"""The files of an experiment that never was: small, but with the shapes, the noise and the ties of a real one."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from resbench.benchmark.columns import SAMPLE_COLUMNS, SCENARIO_COLUMNS
from resbench.benchmark.predictions import Predictions
from resbench.data.datasets import DATASETS
from resbench.data.store import Split, save_split
from resbench.report.collate import ReportFiles, collate_report
from resbench.report.html.page_inputs import PageFiles, PageInputs, read_page_inputs

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
SETTINGS = [(1, 1), (32, 1)]
ROUNDS, CALLS = 10, 50
EPOCHS = 10
IMAGES = 500
HOST = "AMD EPYC, 2 cores"
ENVIRONMENT = f"{HOST}, ONNX Runtime 1.26.0"  # as `describe_host` has both
NETWORKS = {  # skill (logit of the mean accuracy), parameters, multiply-adds, published accuracy and loss
    "basic": (0.62, 5_238_474, 1_062_937_216, 0.6388, 1.4769),
    "pool": (0.95, 2_092_746, 833_299_072, 0.7307, 0.9882),
    "bottleneck": (0.90, 1_728_778, 548_086_400, 0.6965, 1.0771),
}
SPEED = {"fp32": 1.0, "int8": 0.3}


class Experiment:
    """`write` makes the files; `inputs` reads them as the page does."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.networks: dict[str, tuple[float, int, int, Any, Any]] = changes.get("networks", NETWORKS)
        self.seeds: list[int] = changes.get("seeds", [0, 1, 2])
        self.precisions: list[str] = changes.get("precisions", ["fp32", "int8"])
        self.dataset: str = changes.get("dataset", "CIFAR-10")
        self.host: dict[str, Any] = {"name": HOST, "environment": ENVIRONMENT} | changes.get("host", {})
        self.speed: dict[str, float] = changes.get("speed", SPEED)
        self.train_images: int = changes.get("train_images", 50_000)
        self.random = np.random.default_rng(0)
        self.report = folder / "report.csv"
        self.comparisons = folder / "comparisons.csv"
        self.recommendation = folder / "recommendation.json"
        self.test = folder / "data/test.npz"
        self.summary = folder / "data/summary.json"
        self.samples = folder / "latency/cpu/samples.csv"
        self.host_json = folder / "latency/cpu/host.json"
        self.timings = [(self.samples, self.host_json)]
        self.scenarios: Path | None = folder / "scenarios.csv" if changes.get("scenarios") else None
        self.histories: list[Path] = []
        self.parity: list[Path] = []
        self.predictions: list[Path] = []
        self.calls = pd.DataFrame()

    def write(self) -> "Experiment":
        labels = self._write_data()
        for variant, seed in itertools.product(self.networks, self.seeds):
            self._write_history(variant, seed)
            self._write_parity(variant, seed, self._write_predictions(variant, seed, labels))
        self._write_latency()
        self.collate()
        if self.scenarios:
            self._write_scenarios(self.scenarios)
        return self

    def inputs(self) -> PageInputs:
        files = PageFiles(
            report=self.report,
            comparisons=self.comparisons,
            recommendation=self.recommendation,
            summary=self.summary,
            test=self.test,
            histories=self.histories,
            predictions=self.predictions,
            timings=self.timings,
            scenarios=self.scenarios,
        )
        config = {"variants": list(self.networks), "seeds": self.seeds, "training": {"protocol": "notebook"}}
        return read_page_inputs(files, json.dumps(config))

    def command(self, page: Path, figures: Path) -> list[str]:
        """Words after `resbench`."""
        words = ["page", "--page", page, "--figures", figures, "--checksums", page.with_name("SHA256SUMS.page")]
        words += ["--report", self.report]
        words += ["--comparisons", self.comparisons, "--test", self.test, "--summary", self.summary]
        words += ["--recommendation", self.recommendation]
        words += ["--samples", self.samples, "--host", self.host_json]
        words += ["--scenarios", self.scenarios] if self.scenarios else []
        words += [word for path in self.histories for word in ("--history", path)]
        words += [word for path in self.predictions for word in ("--predictions", path)]
        return [str(word) for word in words]

    def _write_data(self) -> np.ndarray:
        labels = np.arange(IMAGES, dtype=np.uint8) % len(CLASSES)
        blocks = self.random.integers(0, 256, (IMAGES, 4, 4, 3), np.uint8)
        images = blocks.repeat(8, axis=1).repeat(8, axis=2)
        save_split(self.test, Split(images, labels, np.array(CLASSES)))
        sha256 = next((record.sha256 for record in DATASETS.values() if record.title == self.dataset), "ab" * 32)
        self.summary.write_text(json.dumps({"sha256": sha256, "source": "https://example.org/data.tar.gz"}))
        self.difficulty = self.random.normal(0, 1.5, IMAGES)
        return labels

    def _write_history(self, variant: str, seed: int) -> None:
        skill = self.networks[variant][0]
        epochs = np.arange(1, EPOCHS + 1)
        accuracy = 0.35 + 0.12 * skill + 0.17 * np.log(epochs) + self.random.normal(0, 0.008, EPOCHS)
        rows = pd.DataFrame({"epoch": epochs, "loss": 2.2 - 1.6 * accuracy, "accuracy": accuracy})
        rows[["images_per_second", "seconds"]] = 40.0, 1250.0
        rows[["validation_loss", "validation_accuracy", "test_loss", "test_accuracy"]] = np.nan
        rows.loc[EPOCHS - 1, ["test_loss", "test_accuracy"]] = 0.9 - 0.1 * skill, 0.6 + 0.13 * skill
        path = self.folder / f"models/{variant}/seed{seed}/history.csv"
        path.parent.mkdir(parents=True)
        rows.to_csv(path, index=False)
        self.histories.append(path)

    def _write_predictions(self, variant: str, seed: int, labels: np.ndarray) -> float:
        """One ability a model, one difficulty an image; classes next to each other are confused most.

        Returns:
            The accuracy at fp32.
        """
        accuracy = {}
        skill = 1.8 * self.networks[variant][0] + self.random.normal(0, 0.08)
        scores = self.random.normal(0, 1, (IMAGES, len(CLASSES)))
        scores[np.arange(IMAGES), (labels + 2) % len(CLASSES)] += 1
        scores[np.arange(IMAGES), labels] += 1.4 + skill - self.difficulty
        for precision in self.precisions:
            noisy = scores + (0 if precision == "fp32" else self.random.normal(0, 0.05, scores.shape))
            probabilities = (np.exp(noisy) / np.exp(noisy).sum(axis=1, keepdims=True)).astype(np.float32)
            path = self.folder / f"predictions/{variant}/seed{seed}/{precision}-cpu.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            size = self._model_bytes(variant, precision)
            answer = Predictions(probabilities, labels, size, variant, str(seed), precision, "cpu", "0" * 64)
            np.savez(path, **answer._asdict())
            self.predictions.append(path)
            accuracy[precision] = float(np.mean(probabilities.argmax(axis=1) == labels))
        return accuracy["fp32"]

    def _model_bytes(self, variant: str, precision: str) -> int:
        return self.networks[variant][1] * (4 if precision == "fp32" else 1) + 11_000

    def _write_parity(self, variant: str, seed: int, accuracy: float) -> None:
        _, parameters, macs, published, loss = self.networks[variant]
        content = {
            "variant": variant,
            "seed": seed,
            "protocol": "notebook",
            "epochs": EPOCHS,
            "batch_size": 32,
            "train_images": self.train_images,
            "train_seconds": 12_500.0,
            "parameters": parameters,
            "macs": macs,
            "model_bytes": self._model_bytes(variant, "fp32"),
            "published_accuracy": published,
            "published_loss": loss,
            "published_protocol": None if published is None else "notebook",
            "published_kind": None if published is None else "result",
            "test_images": IMAGES,
            "top1_agreement": 1.0,
            "max_abs_diff": 3e-7,
            "keras_accuracy": accuracy,
            "keras_loss": 0.9,
        }
        path = self.folder / f"onnx/{variant}/seed{seed}/parity.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
        self.parity.append(path)

    def _write_latency(self) -> None:
        parts = []
        for variant, precision in itertools.product(self.networks, self.precisions):
            for (batch, threads), number in itertools.product(SETTINGS, range(1, ROUNDS + 1)):
                middle = self.networks[variant][2] / 6.3e7 * self.speed[precision] * batch**0.95
                noise = self.random.lognormal(0, 0.02) * self.random.lognormal(0, 0.04, CALLS)
                shared = dict(
                    zip(SAMPLE_COLUMNS, [variant, variant, 0, precision, "cpu", batch, threads, number], strict=False)
                )
                shared |= {"load_ms": 40.0, "first_ms": 2 * middle, "peak_rss_mb": 120.0}
                parts.append(pd.DataFrame({"call": range(1, CALLS + 1), "latency_ms": middle * noise}).assign(**shared))
        self.calls = pd.concat(parts, ignore_index=True)
        self.samples.parent.mkdir(parents=True)
        self.calls[SAMPLE_COLUMNS].to_csv(self.samples, index=False)
        facts = {"provider": "cpu", "processor": "AMD EPYC", "cores_available": 2, "memory_gb": 25.3, "gpus": []}
        facts |= {"os": "Debian GNU/Linux 12", "python": "3.11.7", "packages": {"onnxruntime": "1.26.0"}}
        facts |= {"git": {"commit": "4b042d5" + "0" * 33, "dirty": False}, "time_utc": "2026-11-24T19:53:42+00:00"}
        self.host_json.write_text(json.dumps(facts | self.host))

    def collate(self) -> None:
        collate_report(
            ReportFiles.of(self.folder), self.summary, self.parity, self.predictions, self.timings, name=self.dataset
        )

    def _write_scenarios(self, path: Path) -> None:
        """LoadGen's p90 is 2 % below ours; the first network's Server keeps no rate in int8."""
        report = pd.read_csv(self.report)
        rows = []
        for row in report[report["batch_size"] == 1].to_dict("records"):
            p90, variant, precision = row["latency_p90_ms"] / 1.02, row["variant"], row["precision"]
            shared = {"model": f"onnx/{variant}", "variant": variant, "seed": 0, "precision": precision}
            shared |= {"provider": "cpu", "threads": 1, "preset": "smoke", "loadgen": "6.0.17"}
            shared |= {"host": self.host["environment"], "p50_ms": 0.9 * p90, "p90_ms": p90, "p99_ms": 1.2 * p90}
            shared |= {"verdict": "VALID", "reason": ""}
            failed = (variant, precision) == (next(iter(self.networks)), "int8")
            refusal = {"verdict": "INVALID", "reason": "Reduce target QPS to improve latency."} if failed else {}
            server = {"scenario": "Server", "batch_size": 1, "rate_ips": 700 / p90, "p99_ms": 88, "p99_bound_ms": 100}
            rows += [
                shared | {"scenario": "SingleStream", "batch_size": 1, "rate_ips": 1000 / p90},
                shared | {"scenario": "Offline", "batch_size": 32, "rate_ips": 1200 / p90},
                shared | server | refusal,
            ]
        pd.DataFrame(rows, columns=SCENARIO_COLUMNS).to_csv(path, index=False)
