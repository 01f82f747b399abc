"""One table of everything measured: report.csv for programs, report.md for people."""

import csv
import io
from pathlib import Path
from typing import Any

from resbench.common.files import atomic
from resbench.data.datasets import describe
from resbench.report.columns import METRICS, REPORT_COLUMNS, report_row
from resbench.report.comparisons import COMPARISON_COLUMNS, comparison_rows
from resbench.report.entries import entries
from resbench.report.inputs import read_inputs
from resbench.report.markdown import render_markdown

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
    inputs = read_inputs(summary, parity, predictions, timings, METRICS)
    dataset = describe(inputs.summary, name)
    rows = [report_row(entry) for entry in entries(inputs, dataset)]
    compared = comparison_rows(inputs, dataset)
    with atomic(report) as new_report, atomic(comparisons) as new_comparisons, atomic(markdown) as new_markdown:
        new_report.write_text(to_csv(rows, REPORT_COLUMNS), encoding="utf-8")
        new_comparisons.write_text(to_csv(compared, COMPARISON_COLUMNS), encoding="utf-8")
        new_markdown.write_text(render_markdown(rows, compared, inputs, dataset), encoding="utf-8")


def to_csv(rows: list[Row], columns: list[str]) -> str:
    """Six significant digits, beyond what any of these measurements can repeat; whole numbers in full."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
    return stream.getvalue()
