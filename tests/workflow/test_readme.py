"""The README shows the rules as they are."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_graph_of_the_rules_is_current() -> None:
    command = [sys.executable, "tests/rulegraph.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
