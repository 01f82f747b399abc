"""Progress on a terminal and in a log, on a clock that the test sets."""

import io
import time

import pytest
from resbench.common.progress import Progress, duration, say


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (42.4, "42 s"),
        (99.4, "99 s"),
        (99.5, "1.7 min"),
        (210, "3.5 min"),
        (5969, "99.5 min"),
        (7560, "2.1 h"),
    ],
)
def test_a_duration_in_the_unit_that_suits_it(seconds, words):
    assert duration(seconds) == words


def test_messages_go_to_standard_error(capsys):
    say("half done")
    assert capsys.readouterr() == ("", "half done\n")


def test_a_log_gets_a_line_every_half_minute(clock, capsys):
    progress = Progress("training")
    for second in range(1, 101):
        clock.now = 1000.0 + second
        progress.update(second / 200, f"epoch {second}")
    progress.clear()
    assert capsys.readouterr().err.splitlines() == [
        "training: 15 % epoch 30, 2.8 min left",
        "training: 30 % epoch 60, 2.3 min left",
        "training: 45 % epoch 90, 1.8 min left",
    ]


def test_what_an_earlier_run_did_says_nothing_of_this_ones_speed(clock, capsys):
    progress = Progress("training", already=0.5)
    clock.now += 30
    progress.update(0.5)
    clock.now += 30
    progress.update(0.75)
    assert capsys.readouterr().err.splitlines() == ["training:  50 %, ? left", "training:  75 %, 60 s left"]


def test_a_terminal_has_one_line_that_is_rewritten_and_wiped(clock, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)  # here, since a fixture's would be pytest's own again by now
    progress = Progress("training")
    for tenths in range(1, 5):
        clock.now = 1000.0 + 0.15 * tenths
        progress.update(tenths / 10)
    progress.clear()
    written = terminal.getvalue()
    assert "\n" not in written
    assert [line for line in written.split("\r\x1b[2K") if line] == [
        "training:  20 %, 1 s left",
        "training:  40 %, 1 s left",
    ]
    assert written.endswith("\r\x1b[2K")


def test_a_log_is_not_wiped(capsys):
    Progress("training").clear()
    assert capsys.readouterr().err == ""


def test_a_message_cannot_control_the_terminal(capsys):
    say("resbench: error: a\x1b[2Jb\rc\n  another line")
    assert capsys.readouterr().err == "resbench: error: a\\x1b[2Jb\\rc\n  another line\n"
