"""Sub-commands that collect results and show them."""

from pathlib import Path
from typing import Annotated

import typer

from resbench.cli.options import Robustness, one_of
from resbench.export.precisions import PRECISIONS
from resbench.runtime.providers import PROVIDERS

Measured = Annotated[
    list[Path] | None, typer.Option(help="What `measure --output` wrote on another machine; once for each.")
]


def collate(
    report: Annotated[Path, typer.Option(help="Table to write, .csv.")],
    comparisons: Annotated[Path, typer.Option(help="Comparisons of the models to write, .csv.")],
    recommendation: Annotated[Path, typer.Option(help="Recommendation to write, .json.")],
    markdown: Annotated[Path, typer.Option(help="Report as Markdown to write, .md.")],
    checksums: Annotated[Path, typer.Option(help="SHA-256 of these files and their sources to write.")],
    summary: Annotated[Path, typer.Option(help="What `convert --summary` wrote.")],
    parity: Annotated[list[Path], typer.Option(help="What `export --parity` wrote; once for each model.")],
    predictions: Annotated[list[Path], typer.Option(help="What `evaluate` wrote; once for each.")],
    samples: Annotated[list[Path], typer.Option(help="What `latency --samples` wrote; once for each provider.")],
    host: Annotated[list[Path], typer.Option(help="What `latency --host` wrote, in the order of --samples.")],
    measured: Measured = None,
    name: Annotated[str | None, typer.Option(help="Name of images of no known dataset.")] = None,
    provider: Annotated[
        str | None, one_of(PROVIDERS, "Provider that bundles will run on.  Default: the first that was timed.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in one call there.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads that a call may use there.")] = 1,
    precision: Annotated[
        str,
        one_of(("fastest", *PRECISIONS), "Precision to deploy there; fastest takes that of the recommendation."),
    ] = "fastest",
    robustness: Robustness = None,
) -> None:
    """Collect all results in one table, compare the models and recommend one."""
    from resbench.report.collate import ReportFiles, collate_report
    from resbench.report.recommendation import Deployment

    timings = _timings(samples, host, measured)
    deployment = None
    if provider:
        deployment = Deployment(provider=provider, batch_size=batch_size, threads=threads, precision=precision)
    files = ReportFiles(report, comparisons, recommendation, markdown, checksums)
    collate_report(
        files, summary, parity, predictions, timings, name=name, deployment=deployment, robustness=robustness
    )


def robustness(
    results: Annotated[Path, typer.Option(help="Table to write, .csv.")],
    checksums: Annotated[Path, typer.Option(help="SHA-256 of this file and its sources to write.")],
    data: Annotated[list[Path], typer.Option(help="Images of a further test set, for the checksums; once for each.")],
    predictions: Annotated[list[Path], typer.Option(help="What `evaluate` wrote, on every test set; once for each.")],
) -> None:
    """Collect the accuracy of every model on further test sets."""
    from resbench.common.files import write_checksums
    from resbench.report.robustness import write_robustness

    write_robustness(results, predictions)
    write_checksums(checksums, [*data, *predictions, results])


def page(
    page: Annotated[Path, typer.Option(help="Page to write, .html.")],
    figures: Annotated[Path, typer.Option(help="Folder of the figures to write; an earlier one is replaced.")],
    checksums: Annotated[Path, typer.Option(help="SHA-256 of page, figures and their sources to write.")],
    report: Annotated[Path, typer.Option(help="What `collate --report` wrote.")],
    comparisons: Annotated[Path, typer.Option(help="What `collate --comparisons` wrote.")],
    recommendation: Annotated[Path, typer.Option(help="What `collate --recommendation` wrote.")],
    history: Annotated[list[Path], typer.Option(help="…/VARIANT/seedN/history.csv of `train`; once for each.")],
    predictions: Annotated[list[Path], typer.Option(help="What `evaluate` wrote; once for each.")],
    samples: Annotated[list[Path], typer.Option(help="What `latency --samples` wrote; once for each provider.")],
    host: Annotated[list[Path], typer.Option(help="What `latency --host` wrote, in the order of --samples.")],
    test: Annotated[Path, typer.Option(help="Test images that `convert` wrote, .npz.")],
    summary: Annotated[Path, typer.Option(help="What `convert --summary` wrote.")],
    measured: Measured = None,
    config: Annotated[str, typer.Option(help="The configuration, as a JSON object.")] = "{}",
    scenarios: Annotated[
        Path | None, typer.Option(help="What `scenarios --results` wrote.  Default: none are shown.")
    ] = None,
    robustness: Robustness = None,
    operators: Annotated[
        list[Path] | None, typer.Option(help="What `profile --operators` wrote; once for each file.  Default: none.")
    ] = None,
) -> None:
    """Write a page that loads nothing: the recommendation first, then the evidence."""
    from resbench.common.files import write_checksums
    from resbench.report.html.page import write_page
    from resbench.report.html.page_inputs import PageFiles, read_page_inputs

    files = PageFiles(
        report=report,
        comparisons=comparisons,
        recommendation=recommendation,
        summary=summary,
        test=test,
        histories=history,
        predictions=predictions,
        timings=_timings(samples, host, measured),
        scenarios=scenarios,
        robustness=robustness,
        operators=operators or (),
    )
    write_page(page, figures, read_page_inputs(files, config))
    write_checksums(checksums, [*files.paths(), page, *sorted(figures.iterdir())])


def _timings(samples: list[Path], host: list[Path], measured: list[Path] | None) -> list[tuple[Path, Path]]:
    from resbench.benchmark.measured_elsewhere import measured_timings

    if len(samples) != len(host):
        raise typer.BadParameter(
            f"{len(samples)} of --samples and {len(host)} of --host; give one of each for each provider"
        )
    return [*zip(samples, host, strict=True), *(pair for folder in measured or [] for pair in measured_timings(folder))]
