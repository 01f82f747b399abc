"""What this machine has for this process: cores and NVIDIA cards."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

TIMEOUT_S = 30  # nvidia-smi can hang on a broken driver


def core_numbers() -> set[int]:
    """Cores this process may use: fewer than the machine's in a batch job or a cpuset."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def available_cores() -> int:
    return len(core_numbers())


def cards(fields: Sequence[str]) -> list[list[str]]:
    """These of nvidia-smi's fields, as text, for each card; none where it is not there or does not answer."""
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [line.split(", ") for line in answer.stdout.splitlines()] if answer.returncode == 0 else []
    return [row for row in rows if len(row) == len(fields)]


def has_nvidia_gpu() -> bool:
    """Return whether this machine shows an NVIDIA card: a device file, or one that nvidia-smi lists."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or bool(cards(["index"]))
