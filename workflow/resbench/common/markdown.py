"""Words and tables as Markdown, for the report and for model cards."""

import re
from collections.abc import Iterable, Sequence


def escaped(text: str) -> str:
    """Words from a file, unable to break out of their line, cell or paragraph."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", "".join(c for c in " ".join(text.split()) if c.isprintable()))


def table(header: list[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is words, the others are numbers, on the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *rows])
