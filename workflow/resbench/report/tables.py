"""The table model of the report; the page and report.md show the same tables with a template each."""

from typing import NamedTuple


class Heading(NamedTuple):
    """A column of a table.

    Attributes:
        title: Its heading.
        unit: Unit of its values.
        meaning: What they mean.
        is_text: Whether it holds text, which is aligned left, instead of numbers, which are aligned right.
    """

    title: str
    unit: str = ""
    meaning: str = ""
    is_text: bool = False


class Cell(NamedTuple):
    """A value as text.

    Attributes:
        text: The value.
        details: Further lines: its interval, a reference.
        value: What the column is sorted by; None where there is nothing.
    """

    text: str
    details: tuple[str, ...] = ()
    value: float | str | None = None


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        cells: Its cells.
        chosen: Whether it is recommended.
    """

    cells: list[Cell]
    chosen: bool = False


class Table(NamedTuple):
    """A table with a caption."""

    caption: str
    headings: list[Heading]
    rows: list[Row]


BLANK = Cell("–")


def text_cell(text: str, *details: str) -> Cell:
    """Return a cell that holds text.

    Args:
        text: The text.
        details: Further lines.

    Returns:
        The cell.
    """
    return Cell(text, details, text)
