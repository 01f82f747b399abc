"""The collate stage: one table of all results, with comparisons and the recommendation."""

from contextlib import ExitStack
from pathlib import Path

from resbench.common.files import atomic, checksum_lines
from resbench.data.datasets import describe
from resbench.report.columns import METRICS, REPORT_COLUMNS, report_row
from resbench.report.comparisons import COMPARISON_COLUMNS, comparison_rows
from resbench.report.csv_text import to_csv
from resbench.report.decision import recommend
from resbench.report.document import build_document
from resbench.report.entries import entries
from resbench.report.inputs import read_inputs
from resbench.report.markdown import render_markdown
from resbench.report.recommendation import Deployment
from resbench.report.robustness_tables import read_robustness
from resbench.report.schema import read_comparisons, read_report


def collate_report(
    report: Path,
    comparisons: Path,
    recommendation: Path,
    markdown: Path,
    checksums: Path,
    name: str | None,
    summary: Path,
    parity: list[Path],
    predictions: list[Path],
    timings: list[tuple[Path, Path]],
    deployment: Deployment | None = None,
    robustness: Path | None = None,
) -> None:
    """Write all five files from every stage's output, or none.

    Args:
        report: report.csv, to write.
        comparisons: comparisons.csv, to write.
        recommendation: recommendation.json, to write.
        markdown: report.md, to write.
        checksums: SHA256SUMS, to write: of the sources in their order, then of the other outputs.
        name: The user's name for images of no known dataset; see `resbench.data.datasets.describe`.
        summary: What `convert --summary` wrote; its hash decides which dataset this is.
        parity: What `export --parity` wrote, one for each model.
        predictions: What `evaluate` wrote, one for each model, precision and provider.
        timings: What `latency` wrote, (samples, host) for each provider.
        deployment: Where bundles will run, and which precision the user asks for; see `recommend`.
        robustness: What `robustness` wrote; None where there is no further test set.

    Raises:
        ResbenchError: See `read_inputs`, `recommend` and `read_robustness`.
    """
    inputs = read_inputs(summary, parity, predictions, timings, METRICS)
    dataset = describe(inputs.summary, name)
    rows = [report_row(entry) for entry in entries(inputs, dataset)]
    compared = comparison_rows(inputs, dataset)
    decided = recommend(rows, compared, deployment)
    with ExitStack() as stack:
        new = {path: stack.enter_context(atomic(path)) for path in (report, comparisons, recommendation, markdown)}
        new[report].write_text(to_csv(rows, REPORT_COLUMNS), encoding="utf-8")
        new[comparisons].write_text(to_csv(compared, COMPARISON_COLUMNS), encoding="utf-8")
        new[recommendation].write_text(decided.model_dump_json(indent=2) + "\n", encoding="utf-8")
        # Read from the files, so that report.md has the same digits as the page, and invalid files are refused.
        document = build_document(
            read_report(new[report]),
            read_comparisons(new[comparisons]),
            decided,
            inputs.timings,
            inputs.hosts,
            inputs.summary,
            inputs.parity[0].test_images,
            read_robustness(robustness) if robustness else None,
        )
        new[markdown].write_text(render_markdown(document), encoding="utf-8")
        sources = [summary, *parity, *predictions, *(path for pair in timings for path in pair)]
        sources += [robustness] if robustness else []
        files = {path: path for path in sources} | new
        stack.enter_context(atomic(checksums)).write_text(checksum_lines(files, checksums.parent), encoding="utf-8")
