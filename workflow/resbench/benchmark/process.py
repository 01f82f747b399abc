"""Measurements in processes of their own, which end with their parent and print only a result.

The parent calls `run_fresh`, the process `serve_parent`.
"""

import ctypes
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from resbench.common.errors import ResbenchError
from resbench.common.modules import run_module

# Far longer than any measurement (TensorRT builds an engine for minutes): only a model that hangs takes as long.
TIMEOUT_S = 3600


def run_fresh(module: str, job: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Run `python -m module JOB` and return its result.

    An exception here, Ctrl-C included, kills the process.

    Args:
        module: A module of this package.
        job: Its argument as JSON; messages name `job["model"]`.
        data: Its stdin.

    Returns:
        The last line of its stdout, read as JSON.

    Raises:
        ResbenchError: It failed (then this is its last line on stderr), was killed, or did not end.
    """
    try:
        worker = run_module(module, json.dumps(job), data=data, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ResbenchError(f"{job['model']}: did not end within {TIMEOUT_S} s; export the model again") from error
    if worker.status < 0:
        name = signal.Signals(-worker.status).name
        raise ResbenchError(f"{job['model']}: its process was killed ({name}); give it more memory, or smaller batches")
    if worker.message:
        raise ResbenchError(worker.message)
    result: dict[str, Any] = json.loads(worker.output.splitlines()[-1])
    return result


def serve_parent(make_job: Callable[..., Any], run: Callable[[Any, bytes], Any]) -> None:
    """Do the job in the first argument on the bytes on stdin and print the result as JSON.

    A ResbenchError ends the process with its text on stderr.

    Args:
        make_job: Makes the job of its fields.
        run: Does it and returns a named tuple.
    """
    _die_with_parent()
    job = make_job(**json.loads(sys.argv[1]))
    try:
        result = run(job, sys.stdin.buffer.read())
    except ResbenchError as error:
        sys.exit(str(error))
    print(json.dumps(result._asdict()))


def _die_with_parent() -> None:
    """End this process when its parent is killed; on Linux only, see prctl(2), PR_SET_PDEATHSIG."""
    library = ctypes.CDLL(None)
    if hasattr(library, "prctl"):
        library.prctl(1, signal.SIGKILL)
