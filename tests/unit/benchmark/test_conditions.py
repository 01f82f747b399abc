"""What disturbs a measurement is seen: from counters that are set, and from load that is made."""

import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
from resbench.benchmark import conditions
from resbench.benchmark.conditions import Counters, Disturbance, disturbance, read_counters, warnings_after

BEFORE = Counters(wall=100.0, cores=2, busy=50.0, steal=1.0, own=5.0, throttles=3)


@pytest.mark.parametrize(
    ("after", "seen"),
    [
        ({"busy": 54.0, "own": 9.0}, Disturbance(0.0, 0.0, False)),
        ({"busy": 58.0, "own": 9.0}, Disturbance(0.0, 1.0, False)),
        ({"steal": 2.0}, Disturbance(0.125, 0.0, False)),
        ({"throttles": 4}, Disturbance(0.0, 0.0, True)),
        ({"busy": 53.9, "own": 9.0}, Disturbance(0.0, 0.0, False)),  # ticks that are counted late
    ],
)
def test_time_of_other_processes_is_what_this_one_did_not_use(after, seen):
    """Within four seconds on two cores."""
    assert disturbance(BEFORE, BEFORE._replace(wall=104.0, **after)) == seen


def test_another_process_s_load_shows_and_our_own_does_not():
    spin = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(spin) as other:
        try:
            before = read_counters()
            while read_counters().wall - before.wall < 1.0:
                pass
            busy = disturbance(before, read_counters())
        finally:
            other.kill()
    assert busy.others > 0.2  # it shares the cores with us, and with whatever else runs


def test_counters_are_of_the_cores_and_the_process_that_are_ours(monkeypatch):
    kinds = {"user": 1.0, "nice": 2.0, "system": 4.0, "irq": 8.0, "softirq": 16.0, "steal": 32.0, "idle": 64.0}
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: [SimpleNamespace(**kinds)] * 4)
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(cpu_times=lambda: SimpleNamespace(user=1, system=2)))
    monkeypatch.setattr(conditions, "core_numbers", lambda: {0, 2, 7})
    found = read_counters()
    assert (found.cores, found.busy, found.steal, found.own) == (2, 62.0, 64.0, 3)


def test_battery_governor_and_load_warn_before(monkeypatch):
    steps = iter([BEFORE, BEFORE._replace(wall=100.5, busy=50.5)])
    monkeypatch.setattr(conditions, "read_counters", lambda: next(steps))
    monkeypatch.setattr(conditions, "governor", lambda: "powersave")
    monkeypatch.setattr(conditions, "SAMPLE_S", 0.0)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: SimpleNamespace(power_plugged=False), raising=False)
    battery, clock, load = conditions.warnings_before()
    assert battery.startswith("on battery")
    assert "governor is powersave" in clock
    assert "other processes use 1.0 cores" in load


def test_a_quiet_machine_does_not_warn(monkeypatch):
    monkeypatch.setattr(conditions, "read_counters", lambda: BEFORE)
    monkeypatch.setattr(conditions, "governor", lambda: None)
    monkeypatch.setattr(conditions, "SAMPLE_S", 0.0)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    assert conditions.warnings_before() == []
    assert warnings_after([Disturbance(0.0, 0.1, False)] * 3) == []


def test_what_measurements_ran_into_is_counted():
    found = warnings_after([Disturbance(0.0, 0.0, False), Disturbance(0.05, 1.2, True), Disturbance(0.0, 0.4, False)])
    assert found == [
        "other processes were busy during 2 of 3 measurements (up to 1.2 cores)",
        "the hypervisor took over 1 % of the time during 1 of 3 measurements",
        "the processor was throttled (heat or quota) during 1 of 3 measurements",
    ]
