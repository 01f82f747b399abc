"""report.csv as a person reads it: headings with units, intervals beside values, blanks as dashes."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import pandas as pd

from resbench.report.words import between, percent, significant


class Column(NamedTuple):
    title: str
    unit: str
    about: str


class Cell(NamedTuple):
    """text: as shown; detail: the interval behind it; value: what the column sorts by, None where blank."""

    text: str
    detail: str = ""
    value: float | str | None = None


class Row(NamedTuple):
    cells: list[Cell]
    chosen: bool


COLUMNS = {
    "variant": Column("Variant", "", "network"),
    "precision": Column("Precision", "", "of the exported graph"),
    "batch_size": Column("Batch", "images", "images in one call"),
    "threads": Column("Threads", "", "ONNX Runtime's intra-op threads"),
    "accuracy_mean": Column(
        "Accuracy", "%", "test images whose likeliest class is right, mean over seeds; 95 % interval"
    ),
    "published_accuracy": Column("Published", "%", "accuracy that the network's author reported"),
    "loss_mean": Column("Loss", "nats", "mean cross-entropy on the test images"),
    "published_loss": Column("Published", "nats", "loss that the network's author reported"),
    "latency_p50_ms": Column("p50", "ms", "median time of one call; 95 % interval"),
    "latency_p90_ms": Column("p90", "ms", "90 % of the calls take no longer"),
    "latency_p99_ms": Column("p99", "ms", "99 % of the calls take no longer"),
    "throughput_ips": Column("Images/s", "", "batch size divided by p50"),
    "model_bytes": Column("File", "MB", "size of the .onnx file, 10⁶ bytes"),
    "parameters": Column("Parameters", "M", "weights, millions"),
    "macs": Column("Multiply-adds", "M", "for one image, millions"),
    "peak_rss_mb": Column("Memory", "MB", "largest resident size of the process, 10⁶ bytes"),
    "top1_agreement": Column("Agreement", "%", "test images on which the graph and Keras name the same class"),
}
TEXTS = ("variant", "precision")


def table_view(
    rows: pd.DataFrame, chosen: Collection[tuple[str, str, float, float]], *, published: bool
) -> tuple[list[Column], list[Row]]:
    """Headings and rows, without the columns that have no value in any row.

    Args:
        rows: of report.csv, of one host.
        chosen: variant, precision, batch size and threads of the rows to mark.
        published: whether published values apply to these images.
    """
    kept = [
        name
        for name in COLUMNS
        if name in TEXTS
        or (
            rows[name].notna().any()
            and (published or not name.startswith("published"))
            and not (name == "threads" and rows[name].nunique() == 1)  # the caption says it
        )
    ]
    body = [
        Row(
            [_cell(row, name) for name in kept],
            (row["variant"], row["precision"], row["batch_size"], row["threads"]) in chosen,
        )
        for row in rows.to_dict("records")
    ]
    return [COLUMNS[name] for name in kept], body


def _cell(row: dict[Any, Any], name: str) -> Cell:
    value = row[name]
    if name in TEXTS:
        return Cell(str(value), value=str(value))
    if pd.isna(value):
        return Cell("–")
    if name in ("accuracy_mean", "published_accuracy", "top1_agreement"):
        return Cell(percent(value), _interval(row, "accuracy", percent) if name == "accuracy_mean" else "", value)
    if name.startswith("latency"):
        return Cell(significant(value), _interval(row, "latency_p50", significant) if "p50" in name else "", value)
    if name in ("loss_mean", "published_loss"):
        return Cell(f"{value:.4f}", value=value)
    if name in ("batch_size", "threads"):
        return Cell(f"{value:.0f}", value=value)
    if name in ("model_bytes", "parameters", "macs"):
        return Cell(significant(value / 1e6), value=value)
    return Cell(significant(value), value=value)


def _interval(row: dict[Any, Any], name: str, form: Callable[[float], str]) -> str:
    unit = "_ms" if name.startswith("latency") else ""
    low, high = row[f"{name}_low{unit}"], row[f"{name}_high{unit}"]
    if pd.isna(low) or pd.isna(high):
        return ""
    return between(form(low), form(high))
