"""Text and tables as Markdown, for the report and for model cards."""

import re
from collections.abc import Iterable, Sequence


def escaped(text: str) -> str:
    """Return text from a file so that it cannot break out of its line, cell or paragraph in Markdown.

    Args:
        text: Text from outside.

    Returns:
        The text on one line, with Markdown's special characters escaped.
    """
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", "".join(c for c in " ".join(text.split()) if c.isprintable()))


def table(header: list[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """Return a Markdown table.

    Args:
        header: Headings.
        rows: Cells of each row.
        texts: Number of columns, from the left, that hold text and are aligned left; the others are aligned right.

    Returns:
        The table without a final line break.
    """
    rule = ["---:" if n >= texts else "---" for n in range(len(header))]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *rows])
