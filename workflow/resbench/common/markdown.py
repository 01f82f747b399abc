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


def replace_between(text: str, name: str, content: str) -> str:
    """Replace what stands between the markers `<!-- NAME -->` and `<!-- /NAME -->`, each on a line of its own.

    Args:
        text: Text with both markers.
        name: Name of the markers.
        content: What to put between them.

    Returns:
        The new text.

    Raises:
        ValueError: The text does not have both markers exactly once.
    """
    markers = [f"<!-- {name} -->\n", f"<!-- /{name} -->\n"]
    if [text.count(marker) for marker in markers] != [1, 1]:
        raise ValueError(f"the markers {' and '.join(map(str.strip, markers))} must stand in the text once each")
    before, rest = text.split(markers[0])
    return f"{before}{markers[0]}{content.strip()}\n{markers[1]}{rest.split(markers[1])[1]}"
