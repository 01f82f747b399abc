"""A table as the text of a .csv file."""

import csv
import io
from collections.abc import Iterable
from typing import Any


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
