"""What would stop a training after its last epoch stops it before the first step."""

import os
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from resbench.common.errors import ResbenchError
from resbench.data.store import Split, save_split
from resbench.training import job
from resbench.training.plan import Job

FILES = {"model": "model.keras", "history": "history.csv", "test": "test.npz", "checkpoints": "saved"}


def save(path, classes):
    random = np.random.default_rng(0)
    labels = np.arange(40, dtype=np.uint8) % len(classes)
    save_split(path, Split(random.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8), labels, np.array(classes)))


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Run a job with other names of files; it must not get as far as a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job, "build_network", lambda *_: pytest.fail("the training begins"))
    save(tmp_path / "train.npz", list("abcd"))
    save(tmp_path / "test.npz", list("abcd"))
    save(tmp_path / "other.npz", list("abcde"))
    (tmp_path / "file").touch()

    def run(**names):
        paths = {name: Path(text) for name, text in (FILES | names).items()}
        description = Job(variant="resnet20", protocol="notebook", seed=1, epochs=1)
        job.run_job(
            description,
            Path("train.npz"),
            paths["model"],
            paths["history"],
            test_path=paths["test"],
            checkpoints_folder=paths["checkpoints"],
        )

    return run


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ({"test": "other.npz"}, r"^other\.npz: its classes are not those of train\.npz; name images"),
        ({"model": "file/model.keras"}, r"^file/model\.keras: .*/file is not a folder; name another file"),
        ({"history": "file/new/history.csv"}, r"^file/new/history\.csv: .*/file is not a folder"),
        ({"checkpoints": "file"}, r"^file/checkpoint: .*/file is not a folder"),
        ({"history": "new/../model.keras"}, r"is the file of the model"),
    ],
)
def test_it_is_refused_before_the_first_step(train, names, complaint):
    with pytest.raises(ResbenchError, match=complaint):
        train(**names)


def test_a_folder_that_may_not_be_written_to_is_refused(train, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "read-only")  # root may write everywhere
    Path("read-only").mkdir()
    with pytest.raises(ResbenchError, match=r"^read-only/new/model\.keras: .*/read-only may not be written to; name a"):
        train(model="read-only/new/model.keras")


def test_outputs_in_new_folders_are_not_refused(train):
    with pytest.raises(pytest.fail.Exception, match="the training begins"):
        train(model="new/a/model.keras", history="new/b/history.csv", checkpoints="new/c")


class Eager(keras.layers.Layer):
    """A layer that looks at values, which a compiled training step does not have."""

    def call(self, x, training=False):
        return x if training and float(keras.ops.max(x)) > 0 else x * 1

    def compute_output_spec(self, x, training=False):
        return keras.KerasTensor(x.shape, x.dtype)


def build(classes):
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Flatten()(Eager()(keras.layers.Rescaling(1 / 255)(image)))
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))


def test_a_network_that_cannot_be_compiled_for_training_is_one_line_that_names_its_file(
    tmp_path, run_here, monkeypatch
):
    monkeypatch.setattr(job, "variant", lambda name: SimpleNamespace(build=build, __file__=__file__))
    save(tmp_path / "train.npz", list("abcd"))
    with pytest.raises(ResbenchError, match=r"its network cannot be trained \(.*TypeError: .*; correct it") as error:
        run_here(Job(variant="eager", protocol="notebook", seed=1, epochs=1))
    assert str(error.value).startswith(f"{__file__}: ")
    assert "\n" not in str(error.value)
