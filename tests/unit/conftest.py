"""What tests of several files start from."""

import pytest
from finished_run import finished, finished_page, run, run_page  # noqa: F401  fixtures
from report_files import Results, calls
from resbench.runtime import sessions


@pytest.fixture
def no_gpu(monkeypatch):
    """As on a machine without one, whatever this machine has."""
    monkeypatch.setattr(sessions, "missing", lambda provider: None if provider == "cpu" else "no NVIDIA GPU here")


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path)


@pytest.fixture
def good(results):
    results.model("pool", 0, right=73)
    results.time(calls("pool", [10.0] * 3))
    return results
