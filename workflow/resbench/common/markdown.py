"""Words and tables as Markdown, for the report and for model cards."""

import re
from collections.abc import Iterable, Sequence


def escaped(text: str) -> str:
    """Words from a file, unable to break out of their line, cell or paragraph."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", "".join(c for c in " ".join(text.split()) if c.isprintable()))


def table(header: list[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Return a table whose first columns, `words` of them, are aligned left, and all others, numbers, right."""
    rule = ["---:" if n >= words else "---" for n in range(len(header))]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *rows])


def replace_between(text: str, name: str, content: str) -> str:
    """Return `text` with `content` between its markers `<!-- NAME -->` and `<!-- /NAME -->`, each on a line of its own.

    Raises:
        ValueError: It does not have both markers once.
    """
    markers = [f"<!-- {name} -->\n", f"<!-- /{name} -->\n"]
    if [text.count(marker) for marker in markers] != [1, 1]:
        raise ValueError(f"the markers {' and '.join(map(str.strip, markers))} do not stand in the text once each")
    before, rest = text.split(markers[0])
    return f"{before}{markers[0]}{content.strip()}\n{markers[1]}{rest.split(markers[1])[1]}"
