"""report.csv as a person reads it: headings with units, intervals and published values under the measured ones."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import pandas as pd

from resbench.report.format import between, percent, significant


class Column(NamedTuple):
    title: str
    unit: str
    about: str


class Cell(NamedTuple):
    """text: as shown; details: lines under it; value: what the column sorts by, None where blank."""

    text: str
    details: tuple[str, ...] = ()
    value: float | str | None = None


class Row(NamedTuple):
    cells: list[Cell]
    chosen: bool = False


class Table(NamedTuple):
    columns: list[Column]
    rows: list[Row]


BLANK = Cell("–")
COLUMNS = {
    "variant": Column("Variant", "", "network"),
    "precision": Column("Precision", "", "of the exported graph"),
    "batch_size": Column("Batch", "images", "images in one call"),
    "threads": Column("Threads", "", "ONNX Runtime's intra-op threads"),
    "accuracy_mean": Column(
        "Accuracy", "%", "test images whose likeliest class is right, mean over seeds; its 95 % interval"
    ),
    "loss_mean": Column("Loss", "nats", "mean cross-entropy on the test images"),
    "latency_p50_ms": Column("p50", "ms", "median time of one call; its 95 % interval"),
    "latency_p90_ms": Column("p90", "ms", "90 % of the calls take no longer"),
    "throughput_ips": Column("Images/s", "", "batch size divided by p50"),
    "model_bytes": Column("File", "MB", "size of the .onnx file, 10⁶ bytes"),
    "parameters": Column("Parameters", "M", "weights, millions"),
    "macs": Column("Multiply-adds", "M", "for one image, millions"),
    "peak_rss_mb": Column("Memory", "MB", "largest resident size of the process, 10⁶ bytes"),
    "top1_agreement": Column(
        "Agreement",
        "%",
        "test images that get the same class from two models, the lowest of all seeds: "
        "fp32 is held against Keras, other precisions against fp32",
    ),
}
TEXTS = ("variant", "precision")
PUBLISHED = {"accuracy_mean": "published_accuracy", "loss_mean": "published_loss"}
INTERVALS = {
    "accuracy_mean": ("accuracy_low", "accuracy_high"),
    "latency_p50_ms": ("latency_p50_low_ms", "latency_p50_high_ms"),
}
FORMS: dict[str, Callable[[float], str]] = {
    "batch_size": "{:.0f}".format,
    "threads": "{:.0f}".format,
    "accuracy_mean": percent,
    "top1_agreement": percent,
    "loss_mean": "{:.4f}".format,
    "model_bytes": lambda value: significant(value / 1e6),
    "parameters": lambda value: significant(value / 1e6),
    "macs": lambda value: significant(value / 1e6),
}


def table_view(rows: pd.DataFrame, chosen: Collection[tuple[str, str, float, float]], *, published: bool) -> Table:
    """Without the columns that have no value in any row; the marked rows first.

    Args:
        rows: of report.csv, of one host.
        chosen: variant, precision, batch size and threads of the rows to mark.
        published: whether published values apply to these images.
    """
    kept = [name for name in COLUMNS if name in TEXTS or rows[name].notna().any()]
    if rows["threads"].nunique() == 1:  # the caption says it
        kept.remove("threads")
    beside = {name: other for name, other in PUBLISHED.items() if published and rows[other].notna().any()}
    columns = [
        column._replace(about=f"{column.about}; the published value") if name in beside else column
        for name, column in COLUMNS.items()
        if name in kept
    ]
    body = [
        Row(
            [_cell(row, name, beside.get(name)) for name in kept],
            (row["variant"], row["precision"], row["batch_size"], row["threads"]) in chosen,
        )
        for row in rows.to_dict("records")
    ]
    return Table(columns, sorted(body, key=lambda row: not row.chosen))


def _cell(row: dict[Any, Any], name: str, beside: str | None) -> Cell:
    """`beside`: the column of the published value to show, if any."""
    value = row[name]
    if name in TEXTS:
        return Cell(str(value), value=str(value))
    if pd.isna(value):
        return BLANK
    form, details = FORMS.get(name, significant), []
    ends = [row[end] for end in INTERVALS.get(name, ()) if not pd.isna(row[end])]
    if len(ends) == 2:
        details.append(between(form(ends[0]), form(ends[1])))
    if beside and not pd.isna(row[beside]):
        details.append(f"published {form(row[beside])}")
    if name == "top1_agreement":
        details.append(f"with {'Keras' if row['precision'] == 'fp32' else 'fp32'}")
    return Cell(form(value), tuple(details), value)
