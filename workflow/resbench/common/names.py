"""Records and files that are found by a name, and the message where there is none of that name."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from resbench.common.errors import ResbenchError

T = TypeVar("T")


def look_up(what: str, name: str, records: Mapping[str, T]) -> T:
    """Return the record of a name.

    Args:
        what: What the records are, for the message: `protocol`.
        name: The name.
        records: All records by name.

    Returns:
        The record.

    Raises:
        ResbenchError: There is none of that name; the message suggests one.
    """
    if name not in records:
        raise unknown(what, name, list(records))
    return records[name]


def unknown(what: str, name: str, known: Sequence[str]) -> ResbenchError:
    """Return the error of an unknown name.

    Args:
        what: What has the name.
        name: The name.
        known: The known names.

    Returns:
        The error.
    """
    return ResbenchError(f"{what} {name!r:.40} is unknown{suggestion(name, known)}")


def suggestion(name: Any, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown name.

    Args:
        name: The unknown name.
        known: The known names.

    Returns:
        A similar name, where there is one, and all known names.
    """
    text, names = str(name).lower(), {one.lower(): one for one in known}

    def likeness(one: str) -> tuple[float, int]:
        matcher = difflib.SequenceMatcher(None, one, text)
        # Of resnet20 and resnet32, which have as many letters of resnet21, the one with more of them in a row.
        return matcher.ratio(), matcher.find_longest_match().size

    best = max(difflib.get_close_matches(text, names, len(names) or 1), key=likeness, default="")
    return (f"; did you mean {names[best]}?" if best else "") + f" (known: {', '.join(known)})"
