"""What disturbed a measurement, and what on this machine makes timings unreliable."""

import time
from typing import NamedTuple

import psutil

from resbench.benchmark.host import SYSTEM_CORES, governor
from resbench.common.cgroups import throttle_count
from resbench.common.system import core_numbers

BUSY_CORES = 0.25  # used by other processes; services of an idle machine use less
STEAL = 0.01  # share of the time; above it, the hypervisor gave these cores to other machines
SAMPLE_S = 0.5
BUSY = ("user", "nice", "system", "irq", "softirq")  # the kernel counts guests under user and nice


class Disturbance(NamedTuple):
    """What disturbed a measurement.

    Attributes:
        steal: Share of the cores' time that the hypervisor took, a fraction.
        others: CPU time that other processes used, in cores.
        throttled: Whether heat or the control group's quota slowed the cores down.
    """

    steal: float
    others: float
    throttled: bool


class Counters(NamedTuple):
    """Times in s, summed over the cores available to this process, except `wall`.

    Attributes:
        wall: A clock.
        cores: Number of these cores.
        busy: Time in which they worked, for any process.
        steal: Time that the hypervisor took.
        own: CPU time of this process.
        throttles: Number of throttling events since the machine started.
    """

    wall: float
    cores: int
    busy: float
    steal: float
    own: float
    throttles: int


def read_counters() -> Counters:
    """Read the kernel's counters.

    Returns:
        Their present values.
    """
    times = psutil.cpu_times(percpu=True)
    mine = [times[core] for core in core_numbers() if core < len(times)]
    own = psutil.Process().cpu_times()
    return Counters(
        wall=time.monotonic(),
        cores=len(mine),
        busy=sum(getattr(core, kind, 0.0) for core in mine for kind in BUSY),
        steal=sum(getattr(core, "steal", 0.0) for core in mine),
        own=own.user + own.system,
        throttles=_heat_throttle_count() + throttle_count(),
    )


def disturbance(before: Counters, after: Counters) -> Disturbance:
    """Return what happened between two readings in one process; the kernel counts in ticks of 10 ms.

    Args:
        before: The first reading.
        after: The second reading.

    Returns:
        The disturbance.
    """
    wall = max(after.wall - before.wall, 1e-9)
    steal = (after.steal - before.steal) / wall / max(after.cores, 1)
    others = (after.busy - before.busy - (after.own - before.own)) / wall
    return Disturbance(
        steal=round(max(steal, 0.0), 4),
        others=round(max(others, 0.0), 3),
        throttled=after.throttles > before.throttles,
    )


def warnings_before() -> list[str]:
    """Return what should be changed before measuring; takes half a second to see how busy the machine is.

    Returns:
        One line for each problem.
    """
    warnings = []
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is not None and battery.power_plugged is False:
        warnings.append("on battery: the clock is reduced; plug the machine in")
    policy = governor()
    if policy not in (None, "performance"):
        warnings.append(f"the frequency governor is {policy}: the clock follows the load; set it to performance")
    before = read_counters()
    time.sleep(SAMPLE_S)
    load = disturbance(before, read_counters())
    if load.others > BUSY_CORES:
        warnings.append(f"the machine is busy: other processes use {load.others:.1f} cores; wait until they end")
    return warnings


def warnings_after(seen: list[Disturbance]) -> list[str]:
    """Return what disturbed the measurements.

    Args:
        seen: The disturbance of each measurement.

    Returns:
        One line for each kind.
    """
    warnings = []
    busy = sum(one.others > BUSY_CORES for one in seen)
    stolen = sum(one.steal > STEAL for one in seen)
    throttled = sum(one.throttled for one in seen)
    if busy:
        most = max(one.others for one in seen)
        warnings.append(f"other processes were busy during {busy} of {len(seen)} measurements (up to {most:.1f} cores)")
    if stolen:
        warnings.append(
            f"the hypervisor took over {100 * STEAL:.0f} % of the time during {stolen} of {len(seen)} measurements"
        )
    if throttled:
        warnings.append(f"the processor was throttled (heat or quota) during {throttled} of {len(seen)} measurements")
    return warnings


def _heat_throttle_count() -> int:
    """Return how many times heat slowed the cores down since the machine started."""
    return sum(int(path.read_text()) for path in SYSTEM_CORES.glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))
