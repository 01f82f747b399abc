"""The columns of report.csv, one record each; everything that lists columns is derived from `COLUMNS`.

The order of the file, its schema, the table in docs/methodology.md, the tables of the page and those of report.md
follow from it. A new column takes one entry here and the function that computes it.
"""

import statistics
from collections.abc import Callable
from typing import Any

from resbench.common.markdown import table
from resbench.report.column import (
    FRACTION,
    NAME,
    NOT_NEGATIVE,
    POSITIVE,
    Column,
    Row,
    Shown,
    Text,
    interval,
    labelled,
)
from resbench.report.entries import Accuracy, Entry
from resbench.report.format import counted, decimals, percent, significant, small
from resbench.report.inputs import Parity
from resbench.runtime.providers import BASE_PROVIDER
from resbench.statistics.latency import FEWEST_FOR_P90, FEWEST_FOR_P99, FEWEST_ROUNDS_FOR_P50, SettingSummary
from resbench.statistics.metrics import brier_score, calibration_error, cross_entropy


def _field(name: str) -> Callable[[Entry], Any]:
    return lambda entry: getattr(entry, name)


def _training(name: str) -> Callable[[Entry], Any]:
    """Return what all seeds of a variant share."""
    return lambda entry: getattr(entry.exports[0], name)


def _mean(value: Callable[[Parity], float]) -> Callable[[Entry], float]:
    return lambda entry: statistics.fmean(map(value, entry.exports))


def _accuracy(value: Callable[[Accuracy], float | None]) -> Callable[[Entry], float | None]:
    return lambda entry: None if entry.accuracy is None else value(entry.accuracy)


def _latency(value: Callable[[SettingSummary], float | None]) -> Callable[[Entry], float | None]:
    return lambda entry: None if entry.latency is None else value(entry.latency)


def _throughput(entry: Entry) -> float | None:
    return entry.batch_size / entry.latency.p50.estimate * 1000 if entry.batch_size and entry.latency else None


def _peak_memory(entry: Entry) -> float | None:
    return None if entry.calls is None else float(entry.calls["peak_rss_mb"].max())


def _host(entry: Entry) -> str | None:
    return None if entry.calls is None else entry.calls["host"].iloc[0]


def _agreement(entry: Entry) -> float | None:
    known = [one.top1_agreement for one in entry.compared if one.top1_agreement is not None]
    return min(known, default=None)


def _difference(entry: Entry) -> float | None:
    known = [one.max_abs_diff for one in entry.compared if one.max_abs_diff is not None]
    return max(known, default=None)


def _reference(row: Row, text: Text) -> str:
    """Return what a model was compared with."""
    if row["precision"] != "fp32":
        return "with fp32"
    return "with Keras" if row["provider"] == BASE_PROVIDER.name else f"with fp32 on {BASE_PROVIDER.name}"


def _millions(number: float) -> str:
    return significant(number / 1e6)


COLUMNS = [
    Column(
        "variant",
        "the network",
        _field("variant"),
        type=str,
        checks=(NAME,),
        required=True,
        shown=Shown("Variant", text=str),
    ),
    Column(
        "precision",
        "of weights and arithmetic in the exported graph: fp32, int8 or fp16",
        _field("precision"),
        type=str,
        checks=(NAME,),
        required=True,
        shown=Shown("Precision", text=str),
    ),
    Column("provider", "execution provider", _field("provider"), type=str, checks=(NAME,), required=True),
    Column(
        "batch_size",
        "images in one call",
        _field("batch_size"),
        type=int,
        unit="images",
        checks=(POSITIVE,),
        shown=Shown("Batch", "images", decimals(0)),
    ),
    Column(
        "threads",
        "the runtime's threads within one operator",
        _field("threads"),
        type=int,
        checks=(POSITIVE,),
        shown=Shown("Threads", text=decimals(0), once=lambda number: f"on {counted(number, 'thread')}"),
    ),
    Column(
        "protocol",
        "how it was trained: the name of a training protocol",
        _training("protocol"),
        type=str,
        checks=(NAME,),
        required=True,
        shown=Shown("Protocol", text=str, once=lambda name: f"trained by protocol {name}"),
    ),
    Column(
        "seeds",
        "number of trainings that the accuracy is the mean of",
        lambda entry: len(entry.exports),
        type=int,
        checks=(POSITIVE,),
        required=True,
    ),
    Column(
        "accuracy_mean",
        "test images whose most probable class is right, mean over seeds",
        _accuracy(lambda one: one.mean),
        unit="fraction",
        checks=(FRACTION,),
        shown=Shown(
            "Accuracy",
            "%",
            percent,
            (
                interval("accuracy_low", "accuracy_high"),
                labelled("SD", "accuracy_std"),
                labelled("published", "published_accuracy"),
            ),
            "test images whose most probable class is right, mean over seeds; below it its 95 % confidence interval "
            "for other seeds and other test images (for one seed, of this model alone), the standard deviation (SD) "
            "over seeds, and the published value",
        ),
    ),
    Column(
        "accuracy_std",
        "standard deviation of the accuracy over seeds",
        _accuracy(lambda one: one.deviation),
        unit="fraction",
        checks=(FRACTION,),
    ),
    Column(
        "accuracy_low",
        "lower end of the accuracy's 95 % interval over seeds and test images",
        _accuracy(lambda one: one.low),
        unit="fraction",
        checks=(FRACTION,),
    ),
    Column(
        "accuracy_high",
        "upper end of the accuracy's 95 % interval",
        _accuracy(lambda one: one.high),
        unit="fraction",
        checks=(FRACTION,),
    ),
    Column(
        "loss_mean",
        "mean cross-entropy on the test images, mean over seeds",
        metric=cross_entropy,
        unit="nats",
        checks=(NOT_NEGATIVE,),
        shown=Shown("Loss", "nats", decimals(4), (labelled("published", "published_loss"),)),
    ),
    Column(
        "ece",
        "expected calibration error: distance of confidence from accuracy (Guo et al. 2017, 15 bins), mean over seeds",
        metric=calibration_error,
        unit="fraction",
        checks=(FRACTION,),
        shown=Shown("ECE", "%", percent),
    ),
    Column(
        "brier",
        "multi-class Brier score: squared distance of the probabilities from the true class, 0 to 2, mean over seeds",
        metric=brier_score,
        checks=(NOT_NEGATIVE,),
        shown=Shown("Brier", text=decimals(4)),
    ),
    Column(
        "latency_min_ms",
        "the shortest call, by which models are ranked",
        _latency(lambda one: one.minimum),
        unit="ms",
        checks=(POSITIVE,),
    ),
    Column(
        "latency_p50_ms",
        "median time of one call",
        _latency(lambda one: one.p50.estimate),
        unit="ms",
        checks=(POSITIVE,),
        shown=Shown(
            "p50",
            "ms",
            details=(interval("latency_p50_low_ms", "latency_p50_high_ms"),),
            meaning="median time of one call, which is one batch, after warm-up; below it its 95 % confidence interval",
        ),
    ),
    Column(
        "latency_p50_low_ms",
        f"lower end of the median's 95 % interval, from {FEWEST_ROUNDS_FOR_P50} rounds on",
        _latency(lambda one: one.p50.low),
        unit="ms",
        checks=(POSITIVE,),
    ),
    Column(
        "latency_p50_high_ms",
        "upper end of the median's 95 % interval",
        _latency(lambda one: one.p50.high),
        unit="ms",
        checks=(POSITIVE,),
    ),
    Column(
        "latency_p90_ms",
        f"90 % of the calls take no longer, from {FEWEST_FOR_P90} calls on",
        _latency(lambda one: one.p90.estimate if one.p90 else None),
        unit="ms",
        checks=(POSITIVE,),
        shown=Shown("p90", "ms"),
    ),
    Column(
        "latency_p99_ms",
        f"99 % of the calls take no longer, from {FEWEST_FOR_P99} calls on",
        _latency(lambda one: one.p99),
        unit="ms",
        checks=(POSITIVE,),
    ),
    Column(
        "throughput_ips",
        "batch size divided by the median",
        _throughput,
        unit="images/s",
        checks=(POSITIVE,),
        shown=Shown("Images/s", meaning="batch size divided by p50"),
    ),
    Column(
        "load_ms",
        "session load time, median over processes",
        _latency(lambda one: one.load),
        unit="ms",
        checks=(POSITIVE,),
    ),
    Column(
        "first_ms",
        "first inference, before any warm-up, median over processes",
        _latency(lambda one: one.first),
        unit="ms",
        checks=(POSITIVE,),
    ),
    Column(
        "model_bytes",
        "size of the .onnx file, the largest of all seeds",
        lambda entry: max((one.model_bytes for one in entry.files), default=None),
        type=int,
        unit="bytes",
        checks=(POSITIVE,),
        shown=Shown("File", "MB", _millions, meaning="size of the .onnx file, 10⁶ bytes"),
    ),
    Column(
        "parameters",
        "weights",
        _training("parameters"),
        type=int,
        checks=(POSITIVE,),
        required=True,
        shown=Shown("Parameters", "M", _millions, meaning="weights, millions"),
    ),
    Column(
        "macs",
        "multiply-adds for one image",
        _training("macs"),
        type=int,
        checks=(POSITIVE,),
        required=True,
        shown=Shown("MACs", "M", _millions, meaning="multiply-adds for one image, millions"),
    ),
    Column(
        "peak_rss_mb",
        "largest resident memory of a measuring process",
        _peak_memory,
        unit="10⁶ bytes",
        checks=(POSITIVE,),
        shown=Shown("Memory", "MB", meaning="largest resident memory of a measuring process, 10⁶ bytes"),
    ),
    Column(
        "top1_agreement",
        "test images that get the same class from two models, the lowest of all seeds: fp32 is compared with Keras "
        f"(on other providers than {BASE_PROVIDER.name}, with fp32 there), other precisions with fp32",
        _agreement,
        unit="fraction",
        checks=(FRACTION,),
        shown=Shown(
            "Agreement",
            "%",
            percent,
            (_reference, labelled("max.", "max_abs_diff", small)),
            "test images that get the same class from two models, the lowest of all seeds, and the largest difference "
            "(max.) between any two of their probabilities: fp32 is compared with Keras (on other providers than "
            f"{BASE_PROVIDER.name}, with fp32 there), other precisions with fp32",
        ),
    ),
    Column(
        "max_abs_diff",
        "largest difference between two probabilities of the same models, of all seeds",
        _difference,
        unit="probability",
        checks=(FRACTION,),
    ),
    Column(
        "published_accuracy",
        "published test accuracy (reference accuracy)",
        _training("published_accuracy"),
        unit="fraction",
        checks=(FRACTION,),
    ),
    Column(
        "published_loss",
        "published loss",
        _training("published_loss"),
        unit="nats",
        checks=(POSITIVE,),
    ),
    Column(
        "keras_accuracy_mean",
        "test accuracy of the same models in Keras, mean over seeds",
        _mean(lambda export: export.keras_accuracy),
        unit="fraction",
        checks=(FRACTION,),
        required=True,
    ),
    Column(
        "train_images",
        "images of one training",
        _training("train_images"),
        type=int,
        unit="images",
        checks=(POSITIVE,),
        required=True,
    ),
    Column("epochs", "of one training", _training("epochs"), type=int, checks=(POSITIVE,), required=True),
    Column(
        "train_seconds_mean",
        "all epochs of one training, without start-up, mean over seeds",
        _mean(lambda export: export.train_seconds),
        unit="s",
        checks=(POSITIVE,),
        required=True,
    ),
    Column("host", "machine that timed it, with its runtime", _host, type=str),
    Column("dataset", "name of the images", _field("dataset"), type=str, required=True),
]
REPORT_COLUMNS = [column.name for column in COLUMNS]
TEXTS = [column.name for column in COLUMNS if column.type is str]
METRICS = {column.name: column.metric for column in COLUMNS if column.metric}
SHOWN = {
    column.name: column.shown if column.shown.meaning else column.shown._replace(meaning=column.meaning)
    for column in COLUMNS
    if column.shown
}


def report_row(entry: Entry) -> Row:
    """Return an entry's row of report.csv.

    Args:
        entry: One row's measurements.

    Returns:
        Values by column; None where a value is missing.
    """
    return {column.name: column.value(entry) for column in COLUMNS}


def documentation() -> str:
    """Return the table of all columns for docs/methodology.md.

    Returns:
        Markdown.
    """
    rows = [[f"`{column.name}`", column.unit, column.meaning] for column in COLUMNS]
    return table(["column", "unit", "meaning"], rows, texts=3)
