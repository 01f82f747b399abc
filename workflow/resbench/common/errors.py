"""The error that users see, and how messages are made printable."""

import re


class ResbenchError(Exception):
    """An input, a file or the environment is wrong; the message says which, what is wrong and what to do.

    The command line prints it as one line and exits with status 1.
    """


def installing(extra: str) -> str:
    """Return how an optional dependency is installed: from a checkout, since no package index has resbench.

    Args:
        extra: Its name in pyproject.toml.

    Returns:
        The end of a message.
    """
    return f"run pip install '.[{extra}]' in a checkout of resbench"


# File, line and signature of a function: of a failure on a GPU, hundreds of characters before the cause.
_ORT_PLACE = r"/onnxruntime_src/\S+:\d+ .*?\) (?:\[with [^]]*\] )?"


def one_line(error: BaseException) -> str:
    """Return a library's error message as one line.

    Args:
        error: What the library raised.

    Returns:
        Its text without line breaks, ONNX Runtime's prefix and places in its source, at most 240 characters; its type
        where it has none.
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # Keras's bold letters
    text = re.sub(_ORT_PLACE, "", printable(" ".join(plain.split())))
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    return (text if len(text) <= 240 else f"{text[:240]}…") or type(error).__name__


def printable(text: str) -> str:
    """Return text without control characters, with which a hostile file could control a terminal.

    Args:
        text: Text from a file.

    Returns:
        The text, with every character that is not printable escaped.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
