"""One table of everything measured: report.csv for programs, report.md for people."""

import csv
import io
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from resbench.benchmark.predictions import Predictions
from resbench.files import atomic
from resbench.report.inputs import SETTING, Inputs, Parity, read_inputs
from resbench.report.latency_summary import p50_interval, summarize_latency
from resbench.report.markdown import render_markdown
from resbench.scores import accuracy_and_loss

REPORT_COLUMNS = [
    *("variant", "precision", "provider", "batch_size", "threads", "seeds", "parameters", "macs", "model_bytes"),
    *("accuracy_mean", "accuracy_std", "accuracy_low", "accuracy_high", "loss_mean", "keras_accuracy_mean"),
    *("top1_agreement", "max_abs_diff", "published_accuracy", "published_loss", "train_images", "epochs"),
    *("train_seconds_mean", "load_ms", "first_ms", "latency_min_ms", "latency_p50_ms", "latency_p50_low_ms"),
    *("latency_p50_high_ms", "latency_p90_ms", "latency_p99_ms", "throughput_ips", "peak_rss_mb", "host", "dataset"),
]

Row = dict[str, Any]
Key = tuple[Any, ...]


def collate_report(
    report: Path,
    markdown: Path,
    dataset: str,
    summary: Path,
    parity: list[Path],
    predictions: list[Path],
    timings: list[tuple[Path, Path]],
) -> None:
    """Write both files from every stage's output, or none.

    Args:
        dataset: what the images are, in words; published values apply where this begins with CIFAR-10.
        summary: what `convert --summary` wrote.
        parity: what `export --parity` wrote, one a model.
        predictions: what `evaluate` wrote, one for each model, precision and provider.
        timings: what `latency` wrote, (samples, host) for each provider.

    Raises:
        ResbenchError: see `read_inputs`.
    """
    inputs = read_inputs(summary, parity, predictions, timings)
    dataset = " ".join(dataset.split())
    rows = report_rows(inputs, dataset)
    with atomic(report) as temporary_report, atomic(markdown) as temporary_markdown:
        temporary_report.write_text(to_csv(rows), encoding="utf-8")
        temporary_markdown.write_text(render_markdown(rows, inputs, dataset), encoding="utf-8")


def report_rows(inputs: Inputs, dataset: str) -> list[Row]:
    """One row for each variant × precision × provider × batch size × threads, with `REPORT_COLUMNS`.

    None where something was not measured, or too few samples carry the claim.  What was evaluated
    and not timed gets a row without latency; what was timed and not evaluated, one without accuracy.
    """
    groups = [group for _, group in inputs.timings.groupby(SETTING)]
    timed: dict[Key, Row] = {tuple(group[SETTING].iloc[0]): _latency(group) for group in groups}
    answered: dict[Key, list[Predictions]] = {}
    for answer in inputs.predictions:
        answered.setdefault((answer.variant, answer.precision, answer.provider), []).append(answer)
    keys = set(timed) | {(*key, None, None) for key in answered if not any(key == other[:3] for other in timed)}
    variants = list(dict.fromkeys(p.variant for p in inputs.parity))
    rows = []
    for key in sorted(keys, key=lambda k: (k[1] != "fp32", k[1], k[2], variants.index(k[0]), k[3] or 0, k[4] or 0)):
        variant, precision, provider, batch_size, threads = key
        answers = answered.get(key[:3], [])
        seeds = {answer.seed for answer in answers}
        exports = [p for p in inputs.parity if p.variant == variant and (p.seed in seeds or not seeds)]
        values: Row = {"variant": variant, "precision": precision, "provider": provider}
        values |= {"batch_size": batch_size, "threads": threads, "seeds": len(exports), "dataset": dataset}
        values |= _training(exports, precision) | _accuracy(answers) | timed.get(key, {})
        rows.append({column: values.get(column) for column in REPORT_COLUMNS})
    return rows


def to_csv(rows: list[Row]) -> str:
    """Six significant digits, beyond what any of these measurements can repeat; whole numbers in full."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, REPORT_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
    return stream.getvalue()


def _training(exports: list[Parity], precision: str) -> Row:
    values: Row = {
        name: getattr(exports[0], name)
        for name in ("parameters", "macs", "published_accuracy", "published_loss", "train_images", "epochs")
    }
    values["keras_accuracy_mean"] = statistics.fmean(p.keras_accuracy for p in exports)
    values["train_seconds_mean"] = statistics.fmean(p.train_seconds for p in exports)
    if precision == "fp32":  # the file that parity was measured on
        values["model_bytes"] = max(p.model_bytes for p in exports)
        values["top1_agreement"] = min(p.top1_agreement for p in exports)
        values["max_abs_diff"] = max(p.max_abs_diff for p in exports)
    return values


def _accuracy(answers: list[Predictions]) -> Row:
    """Mean and sample deviation over seeds.  Of one seed, Wilson's 95 % interval over its test images (Wilson 1927)."""
    if not answers:
        return {}
    accuracies, losses = zip(*(accuracy_and_loss(a.probabilities, a.labels) for a in answers), strict=True)
    values: Row = {"accuracy_mean": statistics.fmean(accuracies), "loss_mean": statistics.fmean(losses)}
    if len(answers) > 1:
        values["accuracy_std"] = statistics.stdev(accuracies)
    else:
        images = len(answers[0].labels)
        interval = binomtest(round(accuracies[0] * images), images).proportion_ci(0.95, method="wilson")
        values |= {"accuracy_low": float(interval.low), "accuracy_high": float(interval.high)}
    return values


def _latency(calls: pd.DataFrame) -> Row:
    """Steady state over all calls; loading and the first call as medians over processes."""
    steady = summarize_latency(calls["latency_ms"].to_numpy(np.float64))
    median = p50_interval(calls)
    processes = calls.drop_duplicates(["variant", "seed", "round"])
    return {
        "load_ms": float(processes["load_ms"].median()),
        "first_ms": float(processes["first_ms"].median()),
        "latency_min_ms": steady.minimum,
        "latency_p50_ms": steady.p50,
        "latency_p50_low_ms": median.low,
        "latency_p50_high_ms": median.high,
        "latency_p90_ms": steady.p90,
        "latency_p99_ms": steady.p99,
        "throughput_ips": float(calls["batch_size"].iloc[0]) / steady.p50 * 1000,
        "peak_rss_mb": float(calls["peak_rss_mb"].max()),
        "host": calls["host"].iloc[0],
    }
