"""Each job takes a GPU of its own: real processes and locks, an nvidia-smi that lists two cards."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

# Says which card it was given, and holds it until its standard input is closed.
SCRIPT = """
import os, sys
from resbench.training import devices

devices._set_up_tensorflow = lambda device, threads: "UNUSABLE" not in os.environ
with devices.claim_device(os.environ.get("DEVICE", "auto"), 1):
    print(os.environ.get("CUDA_VISIBLE_DEVICES", "unset"), flush=True)
    sys.stdin.read()
"""
PATIENCE_S = 60


class Job:
    """A training job that has set up its device and goes on until it is told to end."""

    def __init__(self, environment):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def card(self):
        return self._line(self.process.stdout)

    def message(self):
        return self._line(self.process.stderr)

    def end(self):
        self.process.communicate(timeout=PATIENCE_S)

    @staticmethod
    def _line(stream):
        assert select.select([stream], [], [], PATIENCE_S)[0], "it says nothing"
        return stream.readline().strip()


@pytest.fixture
def machine(tmp_path):
    """The environment of jobs on a machine with two cards and a temporary folder of its own."""
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return kept | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path)}


@pytest.fixture
def start(machine):
    """Start a job there, with further variables; all are ended with the test."""
    jobs = []

    def begin(**variables):
        jobs.append(Job(machine | variables))
        return jobs[-1]

    yield begin
    for job in jobs:
        job.process.kill()
        job.process.communicate()


def test_each_job_takes_a_card_of_its_own_and_a_third_waits_for_the_first_that_ends(start):
    first = start()
    assert first.card() == "0"
    assert start().card() == "1"
    third = start()
    assert third.message() == "no GPU is free; waiting for one"
    first.end()
    assert third.card() == "0"


def test_a_killed_job_gives_its_card_back(start):
    first = start()
    assert first.card() == "0"
    first.process.kill()
    first.process.wait()
    assert start().card() == "0"


@pytest.mark.parametrize("given", ["1", "0,1", "-1"])
def test_what_a_scheduler_gave_is_kept(start, given):
    assert start().card() == "0"
    assert start(CUDA_VISIBLE_DEVICES=given).card() == given


def list_cards(machine, *numbers):
    lines = "".join(f"echo {number}\n" for number in numbers)
    Path(machine["TMPDIR"], "bin/nvidia-smi").write_text(f"#!/bin/sh\n{lines or 'exit 9'}\n")


def test_jobs_take_turns_on_the_only_card(start, machine):
    list_cards(machine, 0)
    first = start()
    assert first.card() == "0"
    second = start()
    assert second.message() == "no GPU is free; waiting for one"
    first.end()
    assert second.card() == "0"


def test_a_card_that_tensorflow_cannot_use_is_not_held(start, machine):
    list_cards(machine, 0)
    assert [start(UNUSABLE="1").card(), start(UNUSABLE="1").card()] == ["0", "0"]


def test_a_job_on_the_cpu_sees_no_card_and_holds_none(start):
    assert start(DEVICE="cpu").card() == "-1"
    assert start(DEVICE="cpu", CUDA_VISIBLE_DEVICES="1").card() == "-1"
    assert start().card() == "0"


def test_no_card_needs_no_lock(start, machine, tmp_path):
    list_cards(machine)
    assert [start().card(), start().card()] == ["unset", "unset"]
    assert list(tmp_path.glob("*.lock")) == []


def test_jobs_of_several_accounts_take_turns(start, machine, tmp_path):
    """The temporary folder is everyone's, as /tmp is: the lock file is that of the account that came first."""
    list_cards(machine, 0)
    tmp_path.chmod(0o1777)
    file = tmp_path / "resbench-gpu0.lock"
    file.touch()
    file.chmod(0o444)
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    first = start()
    assert first.card() == "0"
    assert start().message() == "no GPU is free; waiting for one"


def test_a_lock_file_may_be_read_by_every_account(start, machine, tmp_path):
    before = os.umask(0o077)
    try:
        assert start().card() == "0"
    finally:
        os.umask(before)
    assert (tmp_path / "resbench-gpu0.lock").stat().st_mode & 0o777 == 0o444


def test_a_link_in_place_of_a_lock_file_is_refused(start, machine, tmp_path):
    list_cards(machine, 0)
    (tmp_path / "resbench-gpu0.lock").symlink_to(tmp_path / "elsewhere")
    _, error = start().process.communicate(timeout=PATIENCE_S)
    assert "resbench-gpu0.lock: cannot be opened" in error
    assert not (tmp_path / "elsewhere").exists()
