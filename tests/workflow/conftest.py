"""Copies of the workflow to run and to spoil: the real tree is never touched."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).parents[2]
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


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """The workflow before its first run."""
    tree = Tree.fresh(tmp_path)
    tree.configure(**settings())
    return tree


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Tree:
    """The workflow after a whole run, made once for all processes of the tests; whoever changes it works on a copy."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "ein Lauf mit Ümlauten"
    with FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            folder.mkdir()
            tree = Tree.fresh(folder)
            tree.configure(**settings())
            status, output = tree.snakemake()
            assert status == 0, output
            (folder / "complete").write_text(output)
    return Tree(folder)


@pytest.fixture
def spoiled(finished: Tree, tmp_path: Path) -> Tree:
    """A finished run of one's own."""
    return finished.copy(tmp_path)


@pytest.fixture(scope="session")
def on_slurm(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """After a whole run of two small networks on SLURM, whose trainings ask for the GPU."""
    if not all(shutil.which(name, path=os.defpath) for name in ("sbatch", "squeue")):
        pytest.skip("no SLURM here: sbatch and squeue are not installed")
    if subprocess.run(["squeue", "--noheader"], capture_output=True, timeout=60).returncode:
        pytest.skip("no SLURM answers here: squeue fails")
    tree = Tree.fresh(tmp_path_factory.mktemp("slurm"), SLURM)
    profile = tree.folder / "profiles/slurm/profile.yaml"
    profile.write_text(profile.read_text().replace("status-checks: 20", "status-checks: 5"))  # tiny jobs end sooner
    training = {"protocol": "he2015", "epochs": 1, "limit": 64, "device": "auto"}
    data = {"dataset": "digits"}
    benchmark = {"batch_sizes": [1], "threads": [1], "preset": "smoke", "rounds": 1}
    factors = {"variants": ["resnet20", "bottleneck20"], "seeds": [0], "precisions": ["fp32", "int8"]}
    tree.configure(**factors, data=data, training=training, benchmark=benchmark)
    status, output = tree.snakemake()
    assert status == 0, output
    return tree
