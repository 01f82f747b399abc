"""Schemas of report.csv and comparisons.csv, by which every stage reads them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError

from resbench.common.errors import ResbenchError, one_line
from resbench.report.column import FRACTION, NAME, POSITIVE
from resbench.report.columns import COLUMNS
from resbench.report.comparisons import Kind
from resbench.report.csv_files import read_cells
from resbench.report.published import Reason
from resbench.statistics.intervals import LEVEL
from resbench.statistics.verdicts import Verdict

OF_REFERENCES = [Kind.PUBLISHED, Kind.TARGET]
TYPES: dict[type, type | str] = {str: str, int: "Int64", float: float}


def _ascending(*names: str) -> pa.Check:
    """Return the check that in each row these columns do not decrease, as far as it has them."""

    def rises(table: pd.DataFrame) -> Any:
        steps = table[list(names)].astype(np.float64).ffill(axis=1).diff(axis=1)
        return (steps.fillna(0) >= 0).all(axis=1)

    return pa.Check(rises, error=f"{' ≤ '.join(names)} must hold")


def _column(kind: type | str, *checks: pa.Check, may_be_empty: bool = True) -> pa.Column:
    return pa.Column(kind, list(checks), nullable=may_be_empty)


def _equivalent(table: pd.DataFrame) -> Any:
    return table["verdict"] == "equivalent"


def _within_margin(table: pd.DataFrame) -> Any:
    latency, margin = table["metric"] == "latency", table["margin"]
    low, high = np.where(latency, 1 / (1 + margin), -margin), np.where(latency, 1 + margin, margin)
    return (low < table["low"]) & (table["high"] < high)


REPORT = pa.DataFrameSchema(
    {column.name: _column(TYPES[column.type], *column.checks, may_be_empty=not column.required) for column in COLUMNS},
    checks=[
        _ascending("accuracy_low", "accuracy_mean", "accuracy_high"),
        _ascending("latency_min_ms", "latency_p50_low_ms", "latency_p50_ms", "latency_p50_high_ms"),
        _ascending("latency_p50_ms", "latency_p90_ms", "latency_p99_ms"),
        pa.Check(
            lambda table: table["accuracy_low"].isna() == table["accuracy_mean"].isna(),
            error="accuracy_low must be given where accuracy_mean is, and only there",
        ),
        pa.Check(
            lambda table: (table["seeds"] > 1) | table["accuracy_std"].isna(),
            error="accuracy_std must be empty for one seed",
        ),
    ],
    unique=["variant", "precision", "provider", "batch_size", "threads", "host"],
    strict=True,
    ordered=True,
    coerce=True,
)

COMPARISONS = pa.DataFrameSchema(
    {
        "metric": _column(str, pa.Check.isin(["accuracy", "latency"]), may_be_empty=False),
        "kind": _column(str, pa.Check.isin(list(Kind)), may_be_empty=False),
        **{name: _column(str, NAME, may_be_empty=False) for name in ("first", "first_precision", "second")},
        "second_precision": _column(str, NAME),
        "provider": _column(str, NAME, may_be_empty=False),
        **{name: _column("Int64", POSITIVE) for name in ("batch_size", "threads")},
        "host": _column(str),
        "seeds": _column("Int64", POSITIVE),
        **{name: _column(float, pa.Check.ge(-1)) for name in ("estimate", "low", "high")},
        **{name: _column(float, FRACTION) for name in ("p_value", "p_adjusted")},
        "margin": _column(float, POSITIVE),
        "p_equivalence": _column(float, FRACTION),
        "verdict": _column(str, pa.Check.isin(list(Verdict)), may_be_empty=False),
        "seeds_needed": _column("Int64", pa.Check.in_range(3, 100)),
        "reason": _column(str, pa.Check.isin(list(Reason))),
        "actual": _column(str),
        "required": _column(str),
    },
    checks=[
        _ascending("low", "estimate", "high"),
        _ascending("p_value", "p_adjusted"),
        pa.Check(
            lambda table: (table["metric"] == "latency") == table["batch_size"].notna(),
            error="latencies, and only these, must have a batch size",
        ),
        pa.Check(
            lambda table: (table["metric"] == "latency") == table["host"].notna(),
            error="latencies, and only these, must have a host",
        ),
        pa.Check(
            lambda table: table["second_precision"].isna() == table["kind"].isin(OF_REFERENCES),
            error="published values, and only these, must have no second precision",
        ),
        pa.Check(
            lambda table: table["kind"].isin(OF_REFERENCES) | (_equivalent(table) == _within_margin(table)),
            error="verdict must be `equivalent` where the interval lies within the margin, and only there",
        ),
        pa.Check(
            lambda table: (
                table["kind"].isin(OF_REFERENCES)
                | (table["verdict"].isin(["better", "worse"]) == ((table["p_adjusted"] < LEVEL) & ~_equivalent(table)))
            ),
            error=f"verdict must be `better` or `worse` where p_adjusted is below {LEVEL}, and only there",
        ),
        pa.Check(
            lambda table: (table["kind"] != Kind.TARGET) | ~_equivalent(table),
            error="a target must not be `equivalent`: it is reached, missed or undecided",
        ),
        pa.Check(
            lambda table: (table["verdict"] == "not_comparable") == table["estimate"].isna(),
            error="what is comparable, and only that, must have an estimate",
        ),
        pa.Check(
            lambda table: table["reason"].isna() == table["actual"].isna(),
            error="a reason must have a value in `actual`",
        ),
        pa.Check(
            lambda table: (table["metric"] == "accuracy") | (table["estimate"] > 0), error="a ratio must be above 0"
        ),
    ],
    unique=[
        *("metric", "first", "first_precision", "second", "second_precision"),
        *("provider", "batch_size", "threads", "host"),
    ],
    strict=True,
    ordered=True,
    coerce=True,
)


def read_report(path: Path) -> pd.DataFrame:
    """Read report.csv.

    Args:
        path: The file.

    Returns:
        Its columns: texts as `str`, "" where empty; numbers as float64, NaN where empty.

    Raises:
        ResbenchError: It cannot be read, or breaks the schema.
    """
    table = _read(path, REPORT)
    if table.empty:
        raise ResbenchError(f"{path}: no row; make it with `resbench collate`")
    return table


def read_comparisons(path: Path) -> pd.DataFrame:
    """Read comparisons.csv, which may have no row.

    Args:
        path: The file.

    Returns:
        Its columns, as in `read_report`.

    Raises:
        ResbenchError: It cannot be read, or breaks the schema.
    """
    return _read(path, COMPARISONS)


def _read(path: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    remedy = "make it with `resbench collate`"
    table = read_cells(path, "resbench collate")
    names = list(schema.columns)
    if list(table.columns) != names:
        raise ResbenchError(f"{path}: {_misplaced(list(table.columns), names)}; {remedy}")
    types = {name: str(column.dtype) for name, column in schema.columns.items()}
    numbers = {
        name: _numbers(path, table[name], integer=types[name] == "Int64", remedy=remedy)
        for name in names
        if types[name] in ("Int64", "float64")
    }
    texts = {name: table[name].replace("", None) for name in names if name not in numbers}
    try:
        schema.validate(table.assign(**numbers, **texts))
    except SchemaError as error:
        raise ResbenchError(f"{path}: {_fault(error)}; {remedy}") from error
    return table.assign(**numbers)


def _misplaced(columns: list[str], names: list[str]) -> str:
    """Return how the columns of a file differ from those of its schema."""
    missing, unknown = (
        [name for name in one if name not in other] for one, other in ((names, columns), (columns, names))
    )
    if missing:
        return f"no column {', '.join(missing)}"
    return f"unknown column {', '.join(unknown)}" if unknown else f"its columns are not in the order {', '.join(names)}"


def _numbers(path: Path, values: pd.Series, *, integer: bool, remedy: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    wrong = values[(values != "") & ~(np.isfinite(numbers) & (not integer or numbers % 1 == 0))]
    if not wrong.empty:
        wanted = f"must be {'an integer' if integer else 'a number'}"
        place = f"{values.name} in row {wrong.index[0] + 1}"
        raise ResbenchError(f"{path}: {place} is {wrong.iloc[0]!r:.60}, but {wanted}; {remedy}")
    return numbers


def _fault(error: SchemaError) -> str:
    """Return what breaks the schema, with the first value that does, in one line."""
    wanted = getattr(error.check, "error", None) or str(error.check)
    name, cases = getattr(error.schema, "name", None), error.failure_cases
    if wanted == "multiple_fields_uniqueness":
        return "two rows are of the same models and setting"
    if name is None or not isinstance(cases, pd.DataFrame):
        return one_line(ValueError(wanted))
    case = cases.iloc[0]
    place = name if pd.isna(case["index"]) else f"{name} in row {case['index'] + 1:.0f}"
    if wanted == "not_nullable":
        return f"{place} is empty"
    return one_line(ValueError(f"{place} is {case['failure_case']!s:.60}, but {wanted}"))
