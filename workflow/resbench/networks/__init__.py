"""The networks.  Importing this package imports TensorFlow, without its start-up messages on stderr."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Discard what C++ libraries write to file descriptor 2; Python exceptions still pass."""
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _silenced_stderr():
    import tensorflow  # noqa: F401
