"""What every table of the report is made of; the page and report.md draw the same tables, each by its template."""

from typing import NamedTuple


class Heading(NamedTuple):
    """A column of a table.

    Attributes:
        title: What is written above it.
        unit: Of its values.
        meaning: What they say.
        words: Whether it holds words, which are aligned left, and not numbers.
    """

    title: str
    unit: str = ""
    meaning: str = ""
    words: bool = False


class Cell(NamedTuple):
    """A value as it is written.

    Attributes:
        text: The value.
        details: What else belongs to it, one line each: its interval, a reference.
        value: What the column is sorted by, None where there is none.
    """

    text: str
    details: tuple[str, ...] = ()
    value: float | str | None = None


class Row(NamedTuple):
    """A line of a table; `chosen` where it is recommended."""

    cells: list[Cell]
    chosen: bool = False


class Table(NamedTuple):
    """A table with a caption."""

    caption: str
    headings: list[Heading]
    rows: list[Row]


BLANK = Cell("–")


def words(text: str, *details: str) -> Cell:
    """Return a cell that holds words."""
    return Cell(text, details, text)
