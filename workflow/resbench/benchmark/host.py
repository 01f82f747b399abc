"""Description of the environment that a measurement was taken in."""

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from resbench.common.cgroups import cpu_quota
from resbench.common.checkout import git_state
from resbench.common.system import available_cores, cards, core_numbers, kernel_text
from resbench.runtime.backend import load_backend
from resbench.runtime.providers import PROVIDERS
from resbench.version import __version__

PACKAGES = (
    *("onnxruntime", "onnxruntime-gpu", "openvino", "numpy", "tensorflow", "mlcommons-loadgen"),
    *("nvidia-cuda-runtime-cu12", "nvidia-cudnn-cu12", "tensorrt", "tensorrt-cu12"),
)
# Environment variables with the job's number: SLURM, PBS, LSF.
JOB_IDS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")
GPU_QUERY = {
    "name": "name",
    "driver": "driver_version",
    "clock_mhz": "clocks.sm",
    "clock_max_mhz": "clocks.max.sm",
    "memory_clock_mhz": "clocks.mem",
    "power_limit_w": "power.limit",
    "persistence": "persistence_mode",
}
SYSTEM_CORES = Path("/sys/devices/system/cpu")


def describe_host(provider: str) -> dict[str, Any]:
    """Describe processor, memory, GPU, software, commit and job.

    `name` is short, for a table's column: the GPU where one is measured, then processor and cores. `environment` adds
    the runtime: figures of two environments are never ranked together. `runtime` and `runtime_version` describe what
    executes models; `cuda` is the version that it was built for; CUDA's and cuDNN's libraries are under `packages`.
    Values that are not known are None. Memory is in 10^9 bytes; load averages are over 1, 5 and 15 minutes.

    Args:
        provider: A name in `PROVIDERS`.

    Returns:
        Values that JSON can hold.
    """
    processor, cores, quota = _processor(), available_cores(), cpu_quota()
    gpus = _gpus()
    record = PROVIDERS[provider]
    runtime = load_backend(record).runtime()
    usable = cores if quota is None else min(cores, quota)
    parts = [] if not record.needs_gpu else [gpu["name"] for gpu in gpus[:1]]
    name = ", ".join([*parts, processor, f"{usable:g} core{'s' if usable != 1 else ''}"])
    return {
        "name": name,
        "environment": f"{name}, {runtime.name} {runtime.version}",
        "provider": provider,
        "processor": processor,
        "cores_available": cores,
        "cgroup_cpu_quota": quota,
        "cores_logical": psutil.cpu_count(),
        "cores_physical": psutil.cpu_count(logical=False),
        "smt": _smt(),
        "governor": governor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": gpus,
        "runtime": runtime.name,
        "runtime_version": runtime.version,
        "cuda": runtime.cuda,
        "kernel": platform.release(),
        "os": _operating_system(),
        "python": platform.python_version(),
        "packages": {"resbench": __version__} | {name: found for name in PACKAGES if (found := _version(name))},
        "git": git_state(),
        "job_id": next((os.environ[name] for name in JOB_IDS if name in os.environ), None),
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average_before": list(os.getloadavg()),
    }


def governor() -> str | None:
    """Return the frequency governor of the first available core.

    Returns:
        Its name; None where the kernel, or a hypervisor, shows none.
    """
    return kernel_text(SYSTEM_CORES / f"cpu{min(core_numbers())}/cpufreq/scaling_governor")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return " ".join(value.split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _smt() -> bool | None:
    """Return whether two threads share a core."""
    active = kernel_text(SYSTEM_CORES / "smt/active")
    return None if active is None else active == "1"


def _gpus() -> list[dict[str, str]]:
    """Return what nvidia-smi reports of each card, as text; clocks are momentary."""
    return [dict(zip(GPU_QUERY, row, strict=True)) for row in cards(list(GPU_QUERY.values()))]


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def _version(package: str) -> str | None:
    """Return a package's version from its metadata: importing TensorFlow for it would take seconds."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
