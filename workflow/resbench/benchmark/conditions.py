"""What else went on while something was timed, and what on this machine makes timings doubtful."""

import time
from pathlib import Path
from typing import NamedTuple

import psutil

from resbench.benchmark.host import governor
from resbench.common.cgroups import throttle_count
from resbench.common.system import core_numbers

BUSY_CORES = 0.25  # of other processes: beyond what an idle machine's services take
STEAL = 0.01  # of the time: beyond this, the hypervisor gave our cores to others
GLANCE_S = 0.5
BUSY = ("user", "nice", "system", "irq", "softirq")  # the kernel counts guests under user and nice
CORES = Path("/sys/devices/system/cpu")


class Disturbance(NamedTuple):
    """While something ran: `steal`, the share of the cores' time that the hypervisor took; `others`, how many
    cores' worth of it other processes used; `throttled`, whether heat or the control group's quota slowed it."""

    steal: float
    others: float
    throttled: bool


class Counters(NamedTuple):
    """Seconds, summed over the cores available to this process but for `wall`; `throttles` are events since boot."""

    wall: float
    cores: int
    busy: float
    steal: float
    own: float
    throttles: int


def read_counters() -> Counters:
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
    """What happened between two readings of one process; the kernel counts in ticks of 10 ms."""
    wall = max(after.wall - before.wall, 1e-9)
    steal = (after.steal - before.steal) / wall / max(after.cores, 1)
    others = (after.busy - before.busy - (after.own - before.own)) / wall
    return Disturbance(
        steal=round(max(steal, 0.0), 4),
        others=round(max(others, 0.0), 3),
        throttled=after.throttles > before.throttles,
    )


def warnings_before() -> list[str]:
    """What to put right before measuring; takes half a second to see how busy the machine is."""
    found = []
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is not None and battery.power_plugged is False:
        found.append("on battery: the clock is held back; plug the machine in")
    policy = governor()
    if policy not in (None, "performance"):
        found.append(f"the frequency governor is {policy}: the clock follows the load; set it to performance")
    before = read_counters()
    time.sleep(GLANCE_S)
    glance = disturbance(before, read_counters())
    if glance.others > BUSY_CORES:
        found.append(f"the machine is busy: others use {glance.others:.1f} cores; wait until they are done")
    return found


def warnings_after(seen: list[Disturbance]) -> list[str]:
    """What the measurements ran into, in words; of `seen`, one for each."""
    found = []
    busy = sum(one.others > BUSY_CORES for one in seen)
    stolen = sum(one.steal > STEAL for one in seen)
    throttled = sum(one.throttled for one in seen)
    if busy:
        most = max(one.others for one in seen)
        found.append(f"other processes were busy during {busy} of {len(seen)} measurements (up to {most:.1f} cores)")
    if stolen:
        found.append(f"the hypervisor took over {STEAL:.0%} of the time during {stolen} of {len(seen)} measurements")
    if throttled:
        found.append(f"the processor was throttled (heat or quota) during {throttled} of {len(seen)} measurements")
    return found


def _heat_throttle_count() -> int:
    """How many times heat slowed the cores down, since the machine started."""
    return sum(int(path.read_text()) for path in CORES.glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))
