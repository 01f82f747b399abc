"""What the measurements in perf/ share: real processes, and verdicts that end a script."""

import os
import subprocess
import sys
from pathlib import Path

import harness
import pytest
from harness import Verdict


def measured(code: str, folder: Path) -> tuple[float, float]:
    """What a script of perf/ measures of a Python command: from a small process, as this one's memory would count."""
    script = f"import sys, harness; print(*harness.run([sys.executable, '-c', {code!r}]))"
    environment = os.environ | {"PYTHONPATH": str(Path(harness.__file__).parent)}
    command = [sys.executable, "-c", script]
    answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    seconds, megabytes = map(float, answer.stdout.split())
    return seconds, megabytes


def test_a_commands_time_and_memory_are_its_own(tmp_path):
    code = "import pathlib, time; block = bytearray(500_000_000); block[::4096] = b'x' * len(block[::4096])"
    code += "; time.sleep(0.3); pathlib.Path('done').touch()"
    seconds, megabytes = measured(code, tmp_path)
    assert (tmp_path / "done").exists()
    assert 0.3 <= seconds < 30
    assert 500 < megabytes < 1000
    assert measured("pass", tmp_path)[1] < megabytes - 100


def test_a_command_has_the_environment_it_is_given_and_its_output_is_dropped(tmp_path, capfd):
    code = "import os, pathlib; print('noise'); pathlib.Path('seen').write_text(os.environ['WORD'])"
    harness.run([sys.executable, "-c", code], tmp_path, os.environ | {"WORD": "given"})
    assert (tmp_path / "seen").read_text() == "given"
    assert capfd.readouterr().out == ""


def test_a_failed_command_ends_the_script_and_is_named():
    with pytest.raises(SystemExit, match="failed with status 3") as end:
        harness.run([sys.executable, "-c", "raise SystemExit(3)"])
    assert sys.executable in str(end.value)
    with pytest.raises(SystemExit, match="failed with status -9"):
        harness.run([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])


def test_a_function_runs_in_a_process_of_its_own():
    assert harness.fresh(os.getpid) not in (os.getpid(), harness.fresh(os.getpid))
    with pytest.raises(ZeroDivisionError):
        harness.fresh(divmod, 1, 0)


def test_one_process_keeps_what_it_is_given():
    with harness.process() as alone:
        assert alone.submit(os.getpid).result() == alone.submit(os.getpid).result()


@pytest.mark.parametrize(("met", "status"), [([True, True], 0), ([True, False], 1), ([], 0)])
def test_a_missed_target_is_said_and_is_the_exit_status(met, status, capsys):
    with pytest.raises(SystemExit) as end:
        harness.conclude([Verdict(f"{n} s", "1 s", is_met) for n, is_met in enumerate(met)])
    assert end.value.code == status
    lines = capsys.readouterr().out.split("\n")[1:-1]
    assert lines == [f"{n} s (target: 1 s) {'met' if is_met else 'MISSED'}" for n, is_met in enumerate(met)]


def test_help_is_the_scripts_docstring():
    assert "line one\n\n  line two" in harness.parser("line one\n\n  line two").format_help()
