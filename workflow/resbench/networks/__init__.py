"""The networks.  Importing this package imports TensorFlow, without its start-up messages on stderr."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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


def _load_cusolver(packages: Path) -> None:
    """Load the library cuSOLVER from NVIDIA's wheel, where that is installed.

    TensorFlow 2.21 uses no GPU where it does not find all of CUDA's libraries. It searches the folders of NVIDIA's
    other wheels, but not that of this one; a library that is already loaded counts as found.
    """
    for library in packages.glob("nvidia/cusolver/lib/libcusolver.so.*"):
        with suppress(OSError):  # then TensorFlow finds no GPU, which `claim_device` reports
            ctypes.CDLL(str(library))


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _silenced_stderr():
    import tensorflow
_load_cusolver(Path(tensorflow.__file__).parents[1])
