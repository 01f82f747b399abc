"""Tables as .csv files: their text, and reading them."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from resbench.common.errors import ResbenchError, one_line


def to_csv(rows: Iterable[dict[str, Any]], columns: list[str]) -> str:
    """Return rows as the text of a .csv file.

    Numbers have six significant digits, more than any of these measurements can repeat; integers have all.

    Args:
        rows: Values by column.
        columns: Columns in their order.

    Returns:
        The text.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
    return stream.getvalue()


def read_cells(path: Path, maker: str) -> pd.DataFrame:
    """Return a .csv file as text.

    Args:
        path: The file.
        maker: The command that writes the file, for the message.

    Returns:
        Its cells as str, "" where empty.

    Raises:
        ResbenchError: It is missing or damaged.
    """
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise ResbenchError(f"{path}: no such file; make it with `{maker}`") from error
    except (OSError, ValueError) as error:
        raise ResbenchError(f"{path}: not readable ({one_line(error):.200}); make it with `{maker}`") from error


def read_table(path: Path, columns: list[str], texts: Sequence[str], maker: str) -> pd.DataFrame:
    """Return columns of a .csv file that has at least one row.

    Args:
        path: The file.
        columns: The columns; the file may have others.
        texts: Those that hold text.
        maker: The command that writes the file, for the message.

    Returns:
        The columns: `texts` as str, "" where empty; all others as float64, NaN where empty.

    Raises:
        ResbenchError: The file is missing or damaged, has no row, or a number is infinite.
    """
    remedy = f"make it with `{maker}`"
    table = read_cells(path, maker)
    try:
        missing = [name for name in columns if name not in table.columns]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}")
        if table.empty:
            raise ValueError("no row")
        numbers = {name: table[name].replace("", "nan").astype(np.float64) for name in columns if name not in texts}
    except ValueError as error:
        raise ResbenchError(f"{path}: not readable ({one_line(error):.200}); {remedy}") from error
    for name, values in numbers.items():
        if np.isinf(values).any():
            raise ResbenchError(f"{path}: a value of {name} is infinite; {remedy}")
    return table[columns].assign(**numbers)
