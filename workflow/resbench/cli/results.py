"""Sub-commands that check finished runs."""

from pathlib import Path
from typing import Annotated

import typer

from resbench.benchmark.presets import LATENCY_PRESETS
from resbench.cli.options import Threads, one_of
from resbench.common.errors import ResbenchError
from resbench.common.progress import say


def verify(
    results: Annotated[Path, typer.Argument(help="Folder of a finished run, or a crate of it.")],
    images: Annotated[int, typer.Option(min=1, help="Test images to run each model on again.")] = 64,
    threads: Threads = None,
) -> None:
    """Recompute a report from its raw files; each contradiction is a line, and the exit status is then 1."""
    from resbench.crate.reading import results_folder
    from resbench.verify.results import verify_results

    faults = 0
    with results_folder(results) as folder:
        for fault in verify_results(folder, results, images=images, threads=threads, note=say):
            print(fault)
            faults += 1
    if faults:
        raise typer.Exit(1)
    print(f"{results}: everything that was checked follows from the raw files")


def compare(
    old: Annotated[
        Path, typer.Argument(help="Results folder of the earlier run, a crate of it, or what `measure` wrote.")
    ],
    new: Annotated[Path, typer.Argument(help="The same of the later run.")],
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Print a page.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Exit status 1 also where a model is not the same bit for bit.")
    ] = False,
    remeasure: Annotated[
        bool, typer.Option("--remeasure", help="Time both runs' models now, interleaved, on this machine.")
    ] = False,
    preset: Annotated[str | None, one_of(LATENCY_PRESETS, "How long --remeasure takes.  Default: quick.")] = None,
    across_versions: Annotated[
        bool, typer.Option("--across-versions", help="Compare latencies although the runtimes' versions differ.")
    ] = False,
    spread: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Standard deviation of this machine's latencies between occasions, as perf/occasions.py prints it: "
            "0.05 is about 5 %.  Default: 0.042.",
        ),
    ] = None,
) -> None:
    """Compare two runs: whether a rerun gave the same results, and if not, whether they are better or worse.

    Exit status: 0 reproduced or not worse; 1 worse, or something of the old run is missing; 2 not comparable.
    """
    from resbench.compare import view
    from resbench.compare.comparison import compare_runs
    from resbench.compare.run import read_run
    from resbench.crate.reading import results_folder
    from resbench.statistics.occasions import BETWEEN_OCCASIONS

    if json + markdown + html > 1:
        raise typer.BadParameter("choose one of --json, --markdown and --html")
    if remeasure and (across_versions or spread is not None):
        raise typer.BadParameter("--across-versions and --spread are for the runs' own timings, not for --remeasure")
    if preset and not remeasure:
        raise typer.BadParameter("--preset is for --remeasure; give both or none")
    deviation = BETWEEN_OCCASIONS if spread is None else BETWEEN_OCCASIONS._replace(deviation=spread)
    try:
        with results_folder(old) as old_folder, results_folder(new) as new_folder:
            runs = read_run(old_folder, old), read_run(new_folder, new)
            remeasured = None
            if remeasure:
                from resbench.compare.remeasure import remeasure as time_again

                remeasured = time_again(*runs, preset=preset or "quick")
        comparison = compare_runs(
            *runs, spread=deviation, across_versions=across_versions, exact=exact, remeasured=remeasured
        )
    except (ResbenchError, OSError) as error:  # 1 would be the result of a comparison
        say(f"resbench: error: {error}")
        raise typer.Exit(2) from error
    render = {json: view.render_json, markdown: view.render_markdown, html: view.render_html}.get(True)
    print((render or view.render_terminal)(comparison), end="")
    if comparison.failures:
        raise typer.Exit(1)


def pack(
    results: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Crate to write, such as run.crate.zip; an earlier one is replaced.")
    ],
    license: Annotated[
        str, typer.Option(help="Licence of the results: a URL, such as one of spdx.org, or text.")
    ] = "https://spdx.org/licenses/MIT",
    author: Annotated[
        str, typer.Option(help="Who ran it, such as 'Ada Lovelace <https://orcid.org/0000-0000-0000-0000>'.")
    ] = "",
    workflow: Annotated[
        Path | None, typer.Option(help="Folder of the Snakefile that made the run.  Default: this checkout's.")
    ] = None,
) -> None:
    """Pack a finished run into one file that other people can check: a Workflow Run RO-Crate.

    The zip archive holds the tables, the page, predictions, timings, models and bundles of the run, with the
    configuration, the workflow, the lock file and a machine-readable description of its content
    (ro-crate-metadata.json). The archive of images and the training images are not included;
    data/summary.json has their SHA-256.

    `resbench verify run.crate.zip` and `resbench compare old.crate.zip results` read the archive directly. Unpacked, it
    is a results folder, and README.md says how to run it again.
    """
    from resbench.crate.pack import OWN_WORKFLOW, pack_results

    pack_results(results, output, workflow=workflow or OWN_WORKFLOW, license=license, author=author)
