"""What tests of several files start from."""

import pytest
from report_files import Results, calls


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path)


@pytest.fixture
def good(results):
    results.model("pool", 0, right=73)
    results.time(calls("pool", [10.0] * 3))
    return results
