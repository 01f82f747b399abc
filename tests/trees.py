"""Copies of the workflow to run and to spoil: the real tree is never touched."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "config", "profiles", "workflow")
HERE = ("--cores", "2")
SLURM = ("--profile", "profiles/slurm")


class Tree:
    """A copy of the workflow in a folder of its own; `machine` tells Snakemake where it runs."""

    def __init__(self, folder: Path, machine: tuple[str, ...] = HERE) -> None:
        self.folder = folder
        self.machine = machine

    @classmethod
    def fresh(cls, folder: Path, machine: tuple[str, ...] = HERE) -> "Tree":
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / part, folder / part)
        return cls(folder, machine)

    def copy(self, folder: Path) -> "Tree":
        """With everything that was made in it, and Snakemake's memory of how."""
        passing = shutil.ignore_patterns("locks", "log")  # of a dry run that another process may just make
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, ignore=passing)
        return Tree(folder, self.machine)

    def configure(self, **sections: object) -> None:
        (self.folder / "test.yaml").write_text(yaml.safe_dump(sections))

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--configfile", "test.yaml", *self.machine, *words]

    def environment(self) -> dict[str, str]:
        """No virtual environment is active and nothing leads to the package: jobs must find it all the same."""
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PATH": os.defpath}

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def snakemake(self, *words: str) -> tuple[int, str]:
        """Exit status, and what the terminal shows."""
        process = self.start(*words)
        try:
            output, _ = process.communicate(timeout=900)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, output

    def wait_for(self, path: str, text: str) -> None:
        """Until a file holds this text."""
        end = time.monotonic() + 240
        while not ((self.folder / path).exists() and text in (self.folder / path).read_text(errors="replace")):
            assert time.monotonic() < end, f"{text!r} never came in {path}"
            time.sleep(0.1)

    def planned(self) -> set[tuple[str, str]]:
        """(rule, variant) of the jobs that a run would start because of changes, before what follows from them."""
        status, output = self.snakemake("--dry-run")
        assert status == 0, output
        jobs = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", output, re.MULTILINE)
        assert jobs or "Nothing to be done" in output, output
        return {(rule, (re.search(r"variant=(\w+)", text) or [None, ""])[1] or "") for rule, text in jobs}


def settings() -> dict[str, object]:
    archive = os.environ.get("CIFAR10_ARCHIVE")
    photos = {"dataset": "custom", "name": "photos of CIFAR-10 (JPEG)", "sources": [archive]}
    return {
        "data": photos if archive else {"dataset": "digits"},
        "variants": ["pool", "resnet20"],
        "seeds": [0],
        "training": {"epochs": 1, "limit": 64, "device": "cpu"},
        "benchmark": {"batch_sizes": [1, 2], "threads": [1], "preset": "smoke", "rounds": 1},
    }
