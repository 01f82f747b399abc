"""The collate stage: one table of all results, with comparisons and the recommendation."""

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from resbench.common.files import CHECKSUMS, atomic, checksum_lines
from resbench.data.datasets import describe
from resbench.report.columns import METRICS, REPORT_COLUMNS, report_row
from resbench.report.comparisons import COMPARISON_COLUMNS, comparison_rows
from resbench.report.csv_files import to_csv
from resbench.report.decision import recommend
from resbench.report.document import build_document
from resbench.report.entries import entries
from resbench.report.inputs import read_inputs
from resbench.report.markdown import render_markdown
from resbench.report.recommendation import Deployment
from resbench.report.robustness import read_robustness
from resbench.report.schema import read_comparisons, read_report


class ReportFiles(NamedTuple):
    """The files that `collate` writes; checksums are of the sources in their order, then of the other files."""

    report: Path
    comparisons: Path
    recommendation: Path
    markdown: Path
    checksums: Path

    @classmethod
    def of(cls, results: Path) -> "ReportFiles":
        """Return the files of a results folder, by the workflow's names.

        Args:
            results: The folder.

        Returns:
            Their paths.
        """
        names = ("report.csv", "comparisons.csv", "recommendation.json", "report.md", CHECKSUMS)
        return cls(*(results / name for name in names))


def collate_report(
    files: ReportFiles,
    summary: Path,
    parity: list[Path],
    predictions: list[Path],
    timings: list[tuple[Path, Path]],
    *,
    name: str | None = None,
    deployment: Deployment | None = None,
    robustness: Path | None = None,
) -> None:
    """Write all five files from every stage's output, or none.

    Args:
        files: Files to write.
        summary: What `convert --summary` wrote; its hash decides which dataset this is.
        parity: What `export --parity` wrote, one for each model.
        predictions: What `evaluate` wrote, one for each model, precision and provider.
        timings: What `latency` wrote, (samples, host) for each provider.
        name: The user's name for images of no known dataset; see `resbench.data.datasets.describe`.
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
        new = {path: stack.enter_context(atomic(path)) for path in files[:-1]}
        new[files.report].write_text(to_csv(rows, REPORT_COLUMNS), encoding="utf-8")
        new[files.comparisons].write_text(to_csv(compared, COMPARISON_COLUMNS), encoding="utf-8")
        new[files.recommendation].write_text(decided.model_dump_json(indent=2) + "\n", encoding="utf-8")
        # Read from the files, so that report.md has the same digits as the page, and invalid files are refused.
        document = build_document(
            report=read_report(new[files.report]),
            comparisons=read_comparisons(new[files.comparisons]),
            decided=decided,
            timings=inputs.timings,
            hosts=inputs.hosts,
            summary=inputs.summary,
            test_images=inputs.parity[0].test_images,
            robustness=read_robustness(robustness) if robustness else None,
        )
        new[files.markdown].write_text(render_markdown(document), encoding="utf-8")
        sources = [summary, *parity, *predictions, *(path for pair in timings for path in pair)]
        sources += [robustness] if robustness else []
        lines = checksum_lines({path: path for path in sources} | new, files.checksums.parent)
        stack.enter_context(atomic(files.checksums)).write_text(lines, encoding="utf-8")
