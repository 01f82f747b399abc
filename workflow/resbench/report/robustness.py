"""Robustness on further test sets: robustness.csv, one row for each variant, precision, provider and test set."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from resbench.benchmark.predictions import MAIN_TEST_SET, Predictions, load_predictions
from resbench.common.errors import ResbenchError
from resbench.common.files import write_text
from resbench.data.corruptions import parse_name
from resbench.export.precisions import FP32
from resbench.report.columns import METRICS
from resbench.report.csv_files import read_table, to_csv
from resbench.statistics.accuracy import accuracy_interval, compare_precisions

# Accuracies and their changes are fractions; a change is that of the same models on the other images.
COLUMNS = [
    *("variant", "precision", "provider", "test_set", "corruption", "severity", "images", "seeds"),
    *("accuracy_mean", "accuracy_low", "accuracy_high"),
    *("change_from_test", "change_from_test_low", "change_from_test_high"),
    *("change_from_fp32", "change_from_fp32_low", "change_from_fp32_high"),
    *METRICS,
]

TEXTS = ("variant", "precision", "provider", "test_set", "corruption")

Row = dict[str, Any]
Model = tuple[str, str, str]  # variant, precision, provider


class Result(NamedTuple):
    """One model on one test set.

    Attributes:
        correct: (images,), whether the most probable class is the label.
        labels: uint8 (images,).
        metrics: Values by column.
    """

    correct: NDArray[np.bool_]
    labels: NDArray[np.uint8]
    metrics: dict[str, float]


def write_robustness(path: Path, predictions: Iterable[Path]) -> None:
    """Write robustness.csv.

    Args:
        path: File to write.
        predictions: What `evaluate` wrote, for every model on the main test set and on each further one.

    Raises:
        ResbenchError: A file is unreadable, two are of the same model and test set, or the seeds of a model were not
            all evaluated on the same images.
    """
    results: dict[tuple[Model, str], dict[str, Result]] = {}
    for file in predictions:
        read = load_predictions(file)
        key = ((read.variant, read.precision, read.provider), read.test_set)
        if results.setdefault(key, {}).setdefault(read.seed, result := _result(read)) is not result:
            raise ResbenchError(f"{file}: seed {read.seed} was given twice on {read.test_set}; give each file once")
        if not np.array_equal(result.labels, next(iter(results[key].values())).labels):
            raise ResbenchError(f"{file}: other images of {read.test_set} than for other seeds; evaluate all again")
    rows = [_row(model, test_set, results) for model, test_set in results]
    write_text(path, to_csv(rows, COLUMNS))


def read_robustness(path: Path) -> pd.DataFrame:
    """Read robustness.csv.

    Args:
        path: The file.

    Returns:
        Its columns, as in `read_table`.

    Raises:
        ResbenchError: See `read_table`.
    """
    return read_table(path, COLUMNS, TEXTS, "resbench robustness")


def _result(read: Predictions) -> Result:
    metrics = {name: metric(read.probabilities, read.labels) for name, metric in METRICS.items()}
    return Result(read.correct, read.labels, metrics)


def _row(model: Model, test_set: str, results: dict[tuple[Model, str], dict[str, Result]]) -> Row:
    variant, precision, provider = model
    seeds = results[model, test_set]
    correct = np.stack([seeds[seed].correct for seed in sorted(seeds)])
    low, high = accuracy_interval(correct)
    corruption = parse_name(test_set)
    row: Row = {"variant": variant, "precision": precision, "provider": provider, "test_set": test_set}
    row |= {"corruption": corruption[0].name, "severity": corruption[1]} if corruption else {}
    row |= {"images": correct.shape[1], "seeds": len(seeds)}
    row |= {"accuracy_mean": float(correct.mean()), "accuracy_low": low, "accuracy_high": high}
    if test_set != MAIN_TEST_SET:
        row |= _change("change_from_test", seeds, results.get((model, MAIN_TEST_SET), {}), same_images=bool(corruption))
    if precision != FP32:
        original = results.get(((variant, FP32, provider), test_set), {})
        row |= _change("change_from_fp32", seeds, original, same_images=True)
    metrics = {name: float(np.mean([result.metrics[name] for result in seeds.values()])) for name in METRICS}
    return {column: (row | metrics).get(column) for column in COLUMNS}


def _change(name: str, seeds: dict[str, Result], reference: dict[str, Result], *, same_images: bool) -> Row:
    """Return the change of accuracy from the reference, with its interval where both saw the same images."""
    if seeds.keys() != reference.keys():
        return {}
    order = sorted(seeds)
    first, second = (np.stack([results[seed].correct for seed in order]) for results in (seeds, reference))
    if same_images and first.shape == second.shape:
        difference = compare_precisions(first, second)
        return {name: difference.estimate, f"{name}_low": difference.low, f"{name}_high": difference.high}
    return {name: float(first.mean() - second.mean())}
