"""Tables that the stages train, scenarios and profile wrote, read and checked."""

import re
from pathlib import Path

import pandas as pd

from resbench.benchmark.columns import OPERATOR_COLUMNS, SCENARIO_COLUMNS
from resbench.common.errors import ResbenchError
from resbench.report.csv_files import read_table
from resbench.training.columns import HISTORY_COLUMNS

SCENARIO_TEXTS = (
    *("model", "variant", "seed", "precision", "provider", "host"),
    *("scenario", "preset", "verdict", "reason", "loadgen"),
)
OPERATOR_TEXTS = ("model", "variant", "seed", "precision", "provider", "layer", "operator")


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
    table = read_table(path, HISTORY_COLUMNS, (), "resbench train --history")
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
    table = read_table(path, SCENARIO_COLUMNS, SCENARIO_TEXTS, "resbench scenarios --results")
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
    table = read_table(path, OPERATOR_COLUMNS, OPERATOR_TEXTS, "resbench profile")
    if not table["share"].between(0, 1).all():
        raise ResbenchError(f"{path}: a value of share is not a fraction; run `resbench profile` again")
    return table
