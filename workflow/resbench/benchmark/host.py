"""What a measurement was taken on: without it a latency is a number without a unit."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from resbench.benchmark.sessions import available_cores

PACKAGES = ("resbench", "onnxruntime", "onnxruntime-gpu", "numpy", "tensorflow")


def describe_host(provider: str) -> dict[str, Any]:
    """Processor, memory, GPU, software, commit and job, ready for JSON.

    `name` is short, for a column of a table: the GPU where one is measured, then processor and
    cores.  What cannot be found is None.  Memory in 10^9 bytes; load averages over 1, 5 and 15 minutes.
    """
    processor, cores, quota = _processor(), available_cores(), _cgroup_quota()
    gpus = _gpus()
    usable = cores if quota is None else min(cores, quota)
    parts = [] if provider == "cpu" else [gpu["name"] for gpu in gpus[:1]]
    return {
        "name": ", ".join([*parts, processor, f"{usable:g} core{'s' if usable != 1 else ''}"]),
        "provider": provider,
        "processor": processor,
        "cores_available": cores,
        "cgroup_cpu_quota": quota,
        "cores_logical": psutil.cpu_count(),
        "cores_physical": psutil.cpu_count(logical=False),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": gpus,
        "tf32": "as the provider defaults" if provider != "cpu" else None,
        "kernel": platform.release(),
        "os": _operating_system(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "git": git_state(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average_before": list(os.getloadavg()),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return " ".join(value.split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cgroup_quota() -> float | None:
    """Cores' worth of time that the control group allows: the tightest limit from here to the root (cgroup v2)."""
    try:
        entry = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return None
    root = Path("/sys/fs/cgroup")
    group = root / entry.removeprefix("0::").lstrip("/")
    limits = []
    for folder in (group, *group.parents):
        if folder.is_relative_to(root) and (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                limits.append(int(quota) / int(period))
    return min(limits, default=None)


def _gpus() -> list[dict[str, str]]:
    listing = _run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    rows = [line.split(", ") for line in (listing or "").splitlines()]
    return [{"name": row[0], "driver": row[1]} for row in rows if len(row) == 2]


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def _version(package: str) -> str | None:
    """From the installed metadata: importing TensorFlow for its version would take seconds."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def git_state() -> dict[str, Any] | None:
    """Commit of the code that runs, and whether tracked files differ from it; None outside a checkout."""
    git = ["git", "-C", str(Path(__file__).parent)]
    commit = _run([*git, "rev-parse", "HEAD"])
    if commit is None:
        return None
    return {"commit": commit, "dirty": _run([*git, "status", "--porcelain", "--untracked-files=no"]) != ""}


def _run(command: list[str]) -> str | None:
    if not shutil.which(command[0]):
        return None
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else None
