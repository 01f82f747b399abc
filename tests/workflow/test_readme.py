"""The README shows the rules as they are."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_graph_of_the_rules_is_current() -> None:
    command = [sys.executable, "tests/rulegraph.py", "--check"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
