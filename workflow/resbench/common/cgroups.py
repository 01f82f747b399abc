"""CPU limits of this process's control groups, under cgroup v2 and v1; see cgroups(7)."""

from pathlib import Path

from resbench.common.system import kernel_text

MEMBERSHIP = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")


def cpu_quota() -> float | None:
    """Return how much CPU time the control groups allow this process.

    Returns:
        Cores' worth of time: the tightest limit from its own group to the root; None where there is no limit.
    """
    limits = [limit for folder in _folders() if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def throttle_count() -> int:
    """Return how often a quota has stopped the processes of these groups.

    Returns:
        The number of stops since the groups were made.
    """
    stopped = 0
    for folder in _folders():
        for line in (kernel_text(folder / "cpu.stat") or "").splitlines():
            name, _, count = line.partition(" ")
            if name == "nr_throttled":
                stopped += int(count)
    return stopped


def _folders() -> list[Path]:
    """Return the groups that may limit this process's CPU time, from its own to the root.

    Each line of the membership is `ID:CONTROLLERS:PATH`, without controllers under v2. A container may see
    the host's path and have its own group mounted as the root, so folders that do not exist are left out.
    """
    groups = []
    for line in (kernel_text(MEMBERSHIP) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root = ROOT
        elif "cpu" in controllers.split(","):
            root = next((folder for name in (controllers, "cpu") if (folder := ROOT / name).is_dir()), ROOT)
        else:
            continue
        group = root / path.lstrip("/")
        groups += [folder for folder in (group, *group.parents) if folder.is_relative_to(root) and folder.is_dir()]
    return groups


def _limit(folder: Path) -> float | None:
    quota, _, period = (kernel_text(folder / "cpu.max") or "").partition(" ")  # v2: `max 100000` or `25000 100000`
    if not period:  # v1: -1 for no limit
        quota = kernel_text(folder / "cpu.cfs_quota_us") or "-1"
        period = kernel_text(folder / "cpu.cfs_period_us") or "1"
    return None if quota in ("max", "-1") else int(quota) / int(period)
