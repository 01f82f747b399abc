"""What this process has of this machine: cores and NVIDIA cards."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

TIMEOUT_S = 30  # nvidia-smi can hang on a broken driver


def core_numbers() -> set[int]:
    """Return the numbers of the cores that this process may use, which a batch job or a cpuset limits.

    Returns:
        The numbers, as the kernel counts.
    """
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def available_cores() -> int:
    """Return how many cores this process may use.

    Returns:
        Their number.
    """
    return len(core_numbers())


def kernel_text(path: Path) -> str | None:
    """Return the content of one of the kernel's files.

    Args:
        path: A file in /proc or /sys.

    Returns:
        Its text, without spaces around it; None where there is no such file, or it may not be read.
    """
    try:
        return path.read_text().strip()
    except OSError:
        return None


def cards(fields: Sequence[str]) -> list[list[str]]:
    """Ask nvidia-smi about the NVIDIA cards of this machine.

    Args:
        fields: Names of its query fields.

    Returns:
        The values of these fields, as text, for each card; empty where nvidia-smi is missing or does not respond.
    """
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        reply = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [line.split(", ") for line in reply.stdout.splitlines()] if reply.returncode == 0 else []
    return [row for row in rows if len(row) == len(fields)]


def has_nvidia_gpu() -> bool:
    """Return whether this machine has an NVIDIA card.

    Returns:
        True where there is a device file for one, or nvidia-smi lists one.
    """
    return any(Path("/dev").glob("nvidia[0-9]*")) or bool(cards(["index"]))
