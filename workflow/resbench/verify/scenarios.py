"""Check that LoadGen's figures are of this run's models and can be true."""

from collections.abc import Iterator
from pathlib import Path

from resbench.report.stage_files import read_scenarios
from resbench.verify.faults import Fault, read

SCENARIOS = "scenarios.csv"
PERCENTILES = ("p50_ms", "p90_ms", "p99_ms")


def check_scenarios(folder: Path) -> Iterator[Fault]:
    """Yield rows of scenarios.csv that are of no model of the run, or whose percentiles are not in order.

    Args:
        folder: Folder of a finished run.

    Yields:
        The faults.
    """
    path = folder / SCENARIOS
    table = read(read_scenarios, path)
    if isinstance(table, Fault):
        yield table
        return
    for number, row in enumerate(table.to_dict("records"), 1):
        graph = folder / f"onnx/{row['variant']}/seed{row['seed']}/{row['precision']}.onnx"
        if not graph.is_file():
            yield Fault(path, f"row {number} is of {graph}, which does not exist")
        figures = [row[name] for name in PERCENTILES]
        if figures != sorted(figures):
            shown = ", ".join(f"{name} {value:g}" for name, value in zip(PERCENTILES, figures, strict=True))
            yield Fault(path, f"row {number}: {shown} are not in ascending order")
