"""The one error that a user is meant to see."""

import re


class ResbenchError(Exception):
    """Something outside the program is wrong: the message says what, with which file, and what to do.

    The command line prints it as one line and exits with status 1.
    """


def one_line(error: BaseException) -> str:
    """What a library complains of, without line breaks and ONNX Runtime's prefix, cut where it stops to inform."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", printable(" ".join(str(error).split())))
    return (text if len(text) <= 240 else f"{text[:240]}…") or type(error).__name__


def printable(text: str) -> str:
    """Return text without control characters, which a hostile file could steer a terminal with."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
