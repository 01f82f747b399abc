"""Modules of this package in processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PACKAGE_PARENT = str(Path(__file__).parents[2])
LONGEST = 120  # letters of a command in a message


class Outcome(NamedTuple):
    """How a process ended.

    Attributes:
        status: Its exit status; less than 0 where a signal of that number killed it.
        output: What it wrote to stdout.
        message: The last line that it wrote to stderr, or what is known of its end; empty where it succeeded.
    """

    status: int
    output: bytes
    message: str


def run_module(module: str, *arguments: str, data: bytes = b"", timeout: float | None = None) -> Outcome:
    """Run `python -m module arguments`; an exception here, Ctrl-C included, kills the process.

    Args:
        module: A module of this package, or the package.
        arguments: Its command line.
        data: Its stdin.
        timeout: Seconds after which it is killed; None lets it run.

    Returns:
        How it ended.

    Raises:
        subprocess.TimeoutExpired: It was killed after that time.
    """
    path = os.pathsep.join(filter(None, (PACKAGE_PARENT, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],  # -P: files in the working directory are no modules
        input=data,
        capture_output=True,
        timeout=timeout,
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    if not done.returncode:
        return Outcome(0, done.stdout, "")
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    killed = done.returncode < 0
    end = f"was killed ({signal.Signals(-done.returncode).name})" if killed else f"ended with status {done.returncode}"
    command = f"python -m {' '.join((module, *arguments))}"[:LONGEST]
    return Outcome(done.returncode, done.stdout, lines[-1] if lines else f"`{command}` {end}")
