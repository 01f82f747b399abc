"""The workflow before, and after, a whole run: here and on SLURM."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from trees import SLURM, Tree, settings


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
