"""Modules in processes of their own: what is said when they fail, and what they import."""

import sys

import pytest
from resbench.common.modules import run_module

PROBE = "resbench.runtime.probe"


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        ("echo noise >&2; exit 0", 0, ""),
        ("echo noise >&2; echo the reason >&2; exit 3", 3, "the reason"),
        ("exit 3", 3, f"`python -m {PROBE} cpu` ended with status 3"),
        ("kill -9 $$", -9, f"`python -m {PROBE} cpu` was killed (SIGKILL)"),
    ],
)
def test_the_message_is_the_last_line_or_how_it_ended(tmp_path, monkeypatch, script, status, message):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    found = run_module(PROBE, "cpu")
    assert (found.status, found.message) == (status, message)


@pytest.mark.parametrize("path", ["", None])
def test_a_file_in_the_working_directory_is_not_imported(tmp_path, monkeypatch, path):
    """As in a folder of pictures that somebody sent."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('it was run')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if path is not None:
        monkeypatch.setenv("PYTHONPATH", path)
    assert run_module(PROBE, "cpu").message == ""
