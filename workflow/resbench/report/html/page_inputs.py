"""Everything that the page shows, read from the files of the other stages and checked."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from resbench.benchmark.columns import OPERATOR_COLUMNS, SCENARIO_COLUMNS
from resbench.benchmark.predictions import Predictions, load_predictions
from resbench.common.errors import ResbenchError, one_line
from resbench.data.store import Split, load_split
from resbench.report.inputs import read_summary, read_timings
from resbench.report.recommendation import Recommendations, read_recommendations
from resbench.report.robustness_tables import read_robustness
from resbench.report.schema import read_comparisons, read_report

SCENARIO_PLACE = ("model", "variant", "seed", "precision", "provider", "host")
SCENARIO_TEXTS = (*SCENARIO_PLACE, "scenario", "preset", "verdict", "reason", "loadgen")
OPERATOR_TEXTS = ("model", "variant", "seed", "precision", "provider", "layer", "operator")
HISTORY_COLUMNS = ["epoch", "loss", "accuracy", "images_per_second", "seconds"]
HISTORY_COLUMNS += ["validation_loss", "validation_accuracy", "test_loss", "test_accuracy"]


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
        read_report(report),
        read_comparisons(comparisons),
        pd.concat([read_history(path) for path in histories], ignore_index=True),
        evaluated,
        [table for table, _ in tables],
        [host for _, host in tables],
        split,
        read_summary(summary),
        _read_config(config),
        read_recommendations(recommendation),
        read_scenarios(scenarios) if scenarios else None,
        read_robustness(robustness) if robustness else None,
        pd.concat([read_operators(path) for path in operators], ignore_index=True) if operators else None,
    )


def _read_table(path: Path, columns: list[str], texts: tuple[str, ...], maker: str) -> pd.DataFrame:
    """Return columns of a CSV file: `texts` as str, "" where empty; all others as float64, NaN where empty."""
    remedy = f"make it with `{maker}`"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        missing = [name for name in columns if name not in table.columns]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}")
        if table.empty:
            raise ValueError("no row")
        numbers = {name: table[name].replace("", "nan").astype(np.float64) for name in columns if name not in texts}
    except FileNotFoundError as error:
        raise ResbenchError(f"{path}: no such file; {remedy}") from error
    except (OSError, ValueError) as error:
        raise ResbenchError(f"{path}: not readable ({one_line(error):.200}); {remedy}") from error
    for name, values in numbers.items():
        if np.isinf(values).any():
            raise ResbenchError(f"{path}: a value of {name} is infinite; {remedy}")
    return table[columns].assign(**numbers)


def read_history(path: Path) -> pd.DataFrame:
    """Return the history of one training.

    Args:
        path: What `train --history` wrote, at …/VARIANT/seedN/NAME.csv.

    Returns:
        One row for each epoch, with the columns `variant` and `seed` from the path.

    Raises:
        ResbenchError: It is missing or damaged, or its path does not contain the model.
    """
    seed = re.fullmatch(r"seed(\d+)", path.parent.name)
    if not seed:
        raise ResbenchError(f"{path}: variant and seed are not in its path; name it …/VARIANT/seedN/{path.name}")
    table = _read_table(path, HISTORY_COLUMNS, (), "resbench train --history")
    return table.assign(variant=path.parent.parent.name, seed=int(seed[1]))


def read_scenarios(path: Path) -> pd.DataFrame:
    """Return the figures of LoadGen, one row for each model and scenario.

    Args:
        path: What `scenarios --results` wrote.

    Returns:
        Its columns; those that hold numbers as float64.

    Raises:
        ResbenchError: It is missing or damaged, or two rows are of the same model and scenario.
    """
    table = _read_table(path, SCENARIO_COLUMNS, SCENARIO_TEXTS, "resbench scenarios --results")
    for name in ("threads", "batch_size", "rate_ips", "p50_ms", "p90_ms", "p99_ms"):
        if not (table[name] > 0).all():
            raise ResbenchError(f"{path}: a value of {name} is not a positive number; run `resbench scenarios` again")
    if not table["verdict"].isin(["VALID", "INVALID"]).all():
        raise ResbenchError(f"{path}: a verdict is neither VALID nor INVALID; run `resbench scenarios` again")
    if table.duplicated(["variant", "seed", "precision", "provider", "threads", "host", "preset", "scenario"]).any():
        raise ResbenchError(f"{path}: two rows are of the same model and scenario; leave one of them out")
    return table


def read_operators(path: Path) -> pd.DataFrame:
    """Return the profile of models, one row for each operator that was executed.

    Args:
        path: What `profile` wrote.

    Returns:
        Its columns; those that hold numbers as float64.

    Raises:
        ResbenchError: It is missing or damaged.
    """
    table = _read_table(path, OPERATOR_COLUMNS, OPERATOR_TEXTS, "resbench profile")
    if not table["share"].between(0, 1).all():
        raise ResbenchError(f"{path}: a value of share is not a fraction; run `resbench profile` again")
    return table


def _read_config(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResbenchError(f"--config: not JSON ({error}); give the configuration as a JSON object") from error
    if not isinstance(content, dict):
        raise ResbenchError("--config: not a JSON object; give the configuration as one")
    return content
