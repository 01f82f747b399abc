"""One table of everything measured: report.csv for programs, report.md for people."""

import csv
import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from resbench.common.files import atomic
from resbench.data.datasets import describe
from resbench.report.comparisons import COMPARISON_COLUMNS, comparison_rows
from resbench.report.inputs import Answer, Inputs, Parity, answered, read_inputs, settings
from resbench.report.markdown import render_markdown
from resbench.runtime.providers import BASE_PROVIDER
from resbench.statistics.accuracy import accuracy_interval
from resbench.statistics.latency import summarize_setting

REPORT_COLUMNS = [
    *("variant", "precision", "provider", "batch_size", "threads", "seeds", "parameters", "macs", "model_bytes"),
    *("accuracy_mean", "accuracy_std", "accuracy_low", "accuracy_high", "loss_mean", "keras_accuracy_mean"),
    *("top1_agreement", "max_abs_diff", "published_accuracy", "published_loss", "train_images", "epochs"),
    *("train_seconds_mean", "load_ms", "first_ms", "latency_min_ms", "latency_p50_ms", "latency_p50_low_ms"),
    *("latency_p50_high_ms", "latency_p90_ms", "latency_p99_ms", "throughput_ips", "peak_rss_mb", "host", "dataset"),
]

Row = dict[str, Any]


def collate_report(
    report: Path,
    comparisons: Path,
    markdown: Path,
    name: str | None,
    summary: Path,
    parity: list[Path],
    predictions: list[Path],
    timings: list[tuple[Path, Path]],
) -> None:
    """Write all three files from every stage's output, or none.

    Args:
        name: what the user calls images of no known dataset; see `resbench.data.datasets.describe`.
        summary: what `convert --summary` wrote; its hash decides which dataset this is.
        parity: what `export --parity` wrote, one a model.
        predictions: what `evaluate` wrote, one for each model, precision and provider.
        timings: what `latency` wrote, (samples, host) for each provider.

    Raises:
        ResbenchError: see `read_inputs`.
    """
    inputs = read_inputs(summary, parity, predictions, timings)
    dataset = describe(inputs.summary, name)
    rows, compared = report_rows(inputs, dataset), comparison_rows(inputs, dataset)
    with atomic(report) as new_report, atomic(comparisons) as new_comparisons, atomic(markdown) as new_markdown:
        new_report.write_text(to_csv(rows, REPORT_COLUMNS), encoding="utf-8")
        new_comparisons.write_text(to_csv(compared, COMPARISON_COLUMNS), encoding="utf-8")
        new_markdown.write_text(render_markdown(rows, compared, inputs, dataset), encoding="utf-8")


def report_rows(inputs: Inputs, dataset: str) -> list[Row]:
    """One row for each variant × precision × provider × batch size × threads, with `REPORT_COLUMNS`.

    None where something was not measured, or too few samples carry the claim.  What was evaluated
    and not timed gets a row without latency; what was timed and not evaluated, one without accuracy.
    """
    timed = {key: _latency(calls) for key, calls in settings(inputs)}
    evaluated = answered(inputs)
    accuracies = {key: _accuracy(list(answers.values()), key[1]) for key, answers in evaluated.items()}
    keys = set(timed) | {(*key, None, None) for key in evaluated if not any(key == other[:3] for other in timed)}
    variants = list(dict.fromkeys(p.variant for p in inputs.parity))
    rows = []
    for key in sorted(keys, key=lambda k: (k[1] != "fp32", k[1], k[2], variants.index(k[0]), k[3] or 0, k[4] or 0)):
        variant, precision, provider, batch_size, threads = key
        seeds = evaluated.get(key[:3], {})
        exports = [p for p in inputs.parity if p.variant == variant and (p.seed in seeds or not seeds)]
        values: Row = {"variant": variant, "precision": precision, "provider": provider}
        values |= {"batch_size": batch_size, "threads": threads, "seeds": len(exports), "dataset": dataset}
        values |= _training(exports, precision) | accuracies.get(key[:3], {}) | timed.get(key, {})
        if precision == "fp32" and provider != BASE_PROVIDER.name:  # export compared it with Keras there
            values |= {"top1_agreement": None, "max_abs_diff": None}
        rows.append({column: values.get(column) for column in REPORT_COLUMNS})
    return rows


def to_csv(rows: list[Row], columns: list[str]) -> str:
    """Six significant digits, beyond what any of these measurements can repeat; whole numbers in full."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
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
    return values | (_likeness(exports) if precision == "fp32" else {})


def _accuracy(answers: list[Answer], precision: str) -> Row:
    """Mean and sample deviation over seeds; the interval is over seeds and test images."""
    correct = np.stack([answer.correct for answer in answers])
    low, high = accuracy_interval(correct)
    return {
        "accuracy_mean": float(correct.mean()),
        "accuracy_std": float(correct.mean(axis=1).std(ddof=1)) if len(answers) > 1 else None,
        "accuracy_low": low,
        "accuracy_high": high,
        "loss_mean": statistics.fmean(answer.loss for answer in answers),
    } | (_likeness(answers) if precision != "fp32" else {})


def _likeness(models: Sequence[Parity | Answer]) -> Row:
    """Size and agreement, the worst of all seeds: of fp32 with Keras, of other precisions with fp32."""
    agreements = [model.top1_agreement for model in models if model.top1_agreement is not None]
    differences = [model.max_abs_diff for model in models if model.max_abs_diff is not None]
    return {
        "model_bytes": max(model.model_bytes for model in models),
        "top1_agreement": min(agreements, default=None),
        "max_abs_diff": max(differences, default=None),
    }


def _latency(calls: pd.DataFrame) -> Row:
    found = summarize_setting(calls)
    return {
        "load_ms": found.load,
        "first_ms": found.first,
        "latency_min_ms": found.minimum,
        "latency_p50_ms": found.p50.estimate,
        "latency_p50_low_ms": found.p50.low,
        "latency_p50_high_ms": found.p50.high,
        "latency_p90_ms": found.p90.estimate if found.p90 else None,
        "latency_p99_ms": found.p99,
        "throughput_ips": float(calls["batch_size"].iloc[0]) / found.p50.estimate * 1000,
        "peak_rss_mb": float(calls["peak_rss_mb"].max()),
        "host": calls["host"].iloc[0],
    }
