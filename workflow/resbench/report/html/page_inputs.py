"""Everything that the page shows, read from the files of the other stages and checked."""

import json
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


def read_page_inputs(
    *,
    report: Path,
    comparisons: Path,
    recommendation: Path,
    histories: list[Path],
    predictions: list[Path],
    timings: list[tuple[Path, Path]],
    test: Path,
    summary: Path,
    config: str,
    scenarios: Path | None = None,
    robustness: Path | None = None,
    operators: list[Path] | None = None,
) -> PageInputs:
    """Read everything and make sure that it belongs together.

    Args:
        report: What `collate --report` wrote.
        comparisons: What `collate --comparisons` wrote.
        recommendation: What `collate --recommendation` wrote.
        histories: What `train --history` wrote, each at …/VARIANT/seedN/NAME.csv.
        predictions: What `evaluate` wrote, one for each model.
        timings: What `latency` wrote, (samples, host) for each provider.
        test: Test images that `convert` wrote.
        summary: What `convert --summary` wrote.
        config: A JSON object.
        scenarios: What `scenarios --results` wrote; None where it did not run.
        robustness: What `robustness --results` wrote; None where there is no further test set.
        operators: What `profile` wrote, one file for each setting that was profiled.

    Returns:
        The contents.

    Raises:
        ResbenchError: A file is missing, damaged or of another experiment.
    """
    split = load_split(test)
    evaluated = [load_predictions(path) for path in predictions]
    for one, path in zip(evaluated, predictions, strict=True):
        if not np.array_equal(one.labels, split.labels) or one.probabilities.shape[1] != len(split.classes):
            raise ResbenchError(f"{path}: not of the images in {test}; evaluate the model on them")
    tables = [read_timings(samples, host) for samples, host in timings]
    return PageInputs(
        report=read_report(report),
        comparisons=read_comparisons(comparisons),
        histories=pd.concat([read_history(path) for path in histories], ignore_index=True),
        predictions=evaluated,
        timings=[table for table, _ in tables],
        hosts=[host for _, host in tables],
        test=split,
        summary=read_summary(summary),
        config=_read_config(config),
        recommendations=read_recommendations(recommendation),
        scenarios=read_scenarios(scenarios) if scenarios else None,
        robustness=read_robustness(robustness) if robustness else None,
        operators=pd.concat([read_operators(path) for path in operators], ignore_index=True) if operators else None,
    )


def _read_config(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResbenchError(f"--config: not JSON ({error}); give the configuration as a JSON object") from error
    if not isinstance(content, dict):
        raise ResbenchError("--config: not a JSON object; give the configuration as one")
    return content
