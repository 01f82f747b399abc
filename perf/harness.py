"""What the measurements share: options, commands and functions in fresh processes, and verdicts."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, NoReturn


class Verdict(NamedTuple):
    """A figure and its target, both as text, and whether it was met."""

    figure: str
    target: str
    met: bool


def parser(description: str | None) -> argparse.ArgumentParser:
    """A script's docstring is what its --help shows."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def resbench(*words: str) -> list[str]:
    """The command of a stage; a test asks the command line whether it takes the words of each script."""
    return [sys.executable, "-m", "resbench", *words]


def run(
    command: list[str], folder: Path | None = None, environment: dict[str, str] | None = None
) -> tuple[float, float]:
    """Wall time in s, and peak resident memory in units of 10^6 bytes, of a command and its children.

    The memory is at least what this script itself holds, which Linux counts as the command's.  Ends this script where
    the command fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)[:100]}… failed with status {process.returncode}")
    return seconds, usage.ru_maxrss * 1024 / 1e6


def fresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, or raises, in a process of its own, which inherits nothing and then ends.

    Raises:
        BrokenProcessPool: the process was killed, or crashed.
    """
    with process() as alone:
        return alone.submit(function, *arguments).result()


def process() -> ProcessPoolExecutor:
    """A process that inherits nothing and keeps what it is given to do in its own memory."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def conclude(verdicts: list[Verdict]) -> NoReturn:
    """Print a line for each and end this script, with exit status 1 where a target is missed."""
    print()
    for figure, target, met in verdicts:
        print(f"{figure} (target: {target}) {'met' if met else 'MISSED'}")
    sys.exit(not all(verdict.met for verdict in verdicts))
