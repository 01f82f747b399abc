"""Measurements in processes of their own: started fresh, killed with their parent, silent but for a result.

`run_fresh` is the parent's end, `answer_parent` that of the process.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resbench.common.errors import ResbenchError

# Far above any measurement (TensorRT builds an engine for minutes): only a hanging model gets here.
TIMEOUT_S = 3600


def run_fresh(module: str, job: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Run `python -m module JOB` and return what its last line on stdout says, as JSON.

    An exception here, Ctrl-C included, kills the process.

    Args:
        module: of this package.
        job: its argument as JSON; `job["model"]` is what errors name.
        data: its stdin.

    Raises:
        ResbenchError: it failed (then this is its last line on stderr), was killed, or hung.
    """
    package_parent = str(Path(__file__).parents[2])
    try:
        worker = subprocess.run(
            [sys.executable, "-m", module, json.dumps(job)],
            input=data,
            capture_output=True,
            timeout=TIMEOUT_S,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([package_parent, os.environ.get("PYTHONPATH", "")])},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ResbenchError(f"{job['model']}: no end after {TIMEOUT_S} s; export the model again") from error
    if worker.returncode < 0:
        name = signal.Signals(-worker.returncode).name
        raise ResbenchError(f"{job['model']}: its process was killed ({name}); give it more memory, or smaller batches")
    if worker.returncode:
        lines = worker.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {worker.returncode}"]
        raise ResbenchError(lines[-1])
    result: dict[str, Any] = json.loads(worker.stdout.splitlines()[-1])
    return result


def answer_parent(make_job: Callable[..., Any], run: Callable[[Any, bytes], Any]) -> None:
    """Print as JSON the named tuple that `run` makes of the job in the first argument and the bytes on stdin.

    A ResbenchError ends the process with its text on stderr.
    """
    _die_with_parent()
    job = make_job(**json.loads(sys.argv[1]))
    try:
        result = run(job, sys.stdin.buffer.read())
    except ResbenchError as error:
        sys.exit(str(error))
    print(json.dumps(result._asdict()))


def _die_with_parent() -> None:
    """On Linux, also where the parent is killed and cannot say so: see prctl(2), PR_SET_PDEATHSIG."""
    library = ctypes.CDLL(None)
    if hasattr(library, "prctl"):
        library.prctl(1, signal.SIGKILL)
