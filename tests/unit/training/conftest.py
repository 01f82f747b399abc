"""What tests of several files of training start from."""

import pytest
from resbench.training.job import run_job


@pytest.fixture
def run_here(tmp_path):
    """Run a job on train.npz in the test's own folder, without test images and checkpoints."""

    def run(job):
        files = [tmp_path / name for name in ("train.npz", "model.keras", "history.csv")]
        run_job(job, *files, test_path=None, checkpoints_folder=None)

    return run
