"""Everything that the page shows, read from the files of the other stages and checked."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from resbench.benchmark.predictions import Predictions, load_predictions
from resbench.common.errors import ResbenchError
from resbench.data.store import Split, load_split
from resbench.report.inputs import read_summary, read_timings
from resbench.report.recommendation import Recommendations, read_recommendations
from resbench.report.robustness import read_robustness
from resbench.report.schema import read_comparisons, read_report
from resbench.report.stage_files import read_history, read_operators, read_scenarios


class PageFiles(NamedTuple):
    """The files that the page is made from.

    Attributes:
        report, comparisons, recommendation: What `collate` wrote.
        summary: What `convert --summary` wrote.
        test: Test images that `convert` wrote.
        histories: What `train --history` wrote, each at …/VARIANT/seedN/NAME.csv.
        predictions: What `evaluate` wrote, one for each model.
        timings: What `latency` wrote, (samples, host) for each provider.
        scenarios: What `scenarios --results` wrote; None where it did not run.
        robustness: What `robustness --results` wrote; None where there is no further test set.
        operators: What `profile` wrote, one file for each setting that was profiled.
    """

    report: Path
    comparisons: Path
    recommendation: Path
    summary: Path
    test: Path
    histories: list[Path]
    predictions: list[Path]
    timings: list[tuple[Path, Path]]
    scenarios: Path | None = None
    robustness: Path | None = None
    operators: Sequence[Path] = ()

    def paths(self) -> list[Path]:
        """Return all of them, in the order of the page's checksums.

        Returns:
            Their paths.
        """
        paths = [self.report, self.comparisons, self.recommendation, self.summary, self.test]
        paths += [*self.histories, *self.predictions, *(path for pair in self.timings for path in pair)]
        return paths + [path for path in (self.scenarios, self.robustness, *self.operators) if path]


class PageInputs(NamedTuple):
    """Everything that the page shows.

    Attributes:
        report, comparisons, recommendations: Contents of those files.
        histories: Rows of all history.csv, with `variant` and `seed`.
        predictions: Predictions of all models.
        timings, hosts: One for each provider, see `read_timings`.
        test: The images that predictions are of.
        summary: What `convert --summary` wrote.
        config: Configuration of the workflow.
        scenarios: Rows of scenarios.csv; None where LoadGen did not run.
        robustness: Rows of robustness.csv; None where there is no further test set.
        operators: Rows of operators.csv; None where nothing was profiled.
    """

    report: pd.DataFrame
    comparisons: pd.DataFrame
    histories: pd.DataFrame
    predictions: list[Predictions]
    timings: list[pd.DataFrame]
    hosts: list[dict[str, Any]]
    test: Split
    summary: dict[str, Any]
    config: dict[str, Any]
    recommendations: Recommendations
    scenarios: pd.DataFrame | None = None
    robustness: pd.DataFrame | None = None
    operators: pd.DataFrame | None = None


def read_page_inputs(files: PageFiles, config: str) -> PageInputs:
    """Read everything and make sure that it belongs together.

    Args:
        files: The files.
        config: Configuration of the workflow, a JSON object.

    Returns:
        The contents.

    Raises:
        ResbenchError: A file is missing, damaged or of another experiment.
    """
    test = load_split(files.test)
    evaluated = [load_predictions(path) for path in files.predictions]
    for one, path in zip(evaluated, files.predictions, strict=True):
        if not np.array_equal(one.labels, test.labels) or one.probabilities.shape[1] != len(test.classes):
            raise ResbenchError(f"{path}: not of the images in {files.test}; evaluate the model on them")
    tables = [read_timings(samples, host) for samples, host in files.timings]
    operators = [read_operators(path) for path in files.operators]
    return PageInputs(
        report=read_report(files.report),
        comparisons=read_comparisons(files.comparisons),
        histories=pd.concat([read_history(path) for path in files.histories], ignore_index=True),
        predictions=evaluated,
        timings=[table for table, _ in tables],
        hosts=[host for _, host in tables],
        test=test,
        summary=read_summary(files.summary),
        config=_read_config(config),
        recommendations=read_recommendations(files.recommendation),
        scenarios=read_scenarios(files.scenarios) if files.scenarios else None,
        robustness=read_robustness(files.robustness) if files.robustness else None,
        operators=pd.concat(operators, ignore_index=True) if operators else None,
    )


def _read_config(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResbenchError(f"--config: not JSON ({error}); give the configuration as a JSON object") from error
    if not isinstance(content, dict):
        raise ResbenchError("--config: not a JSON object; give the configuration as one")
    return content
