"""A resumed training ends as an uninterrupted one, also where layers draw random numbers of their own."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers
from resbench.data.store import Split, save_split
from resbench.training import checkpoints, job, plan
from resbench.training.plan import Job
from resbench.training.record import read_record


def build(classes: int) -> keras.Model:
    """Every place that a seed generator may stand in: a layer, a nested model, attention."""
    augmentation = keras.Sequential([keras.Input((32, 32, 3)), layers.RandomFlip(), layers.RandomTranslation(0.1, 0.1)])
    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = augmentation(layers.Rescaling(1 / 255)(image))
    x = layers.SpatialDropout2D(0.2)(layers.Conv2D(8, 8, strides=8, activation="relu")(x))
    x = layers.MultiHeadAttention(2, 4, dropout=0.2)(x, x)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(classes, activation="softmax")(x))


class Killed(BaseException):
    """What a signal does to a job."""


@pytest.fixture
def train(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    save_split(tmp_path / "train.npz", Split(images, np.arange(40, dtype=np.uint8) % 4, np.array(list("abcd"))))
    monkeypatch.setattr(job, "variant", lambda name: SimpleNamespace(build=build, __file__=__file__))
    monkeypatch.setattr(job, "code_digest", lambda stage, *, variant, protocol: f"{stage} {variant} {protocol}")

    def run(name, folder=None):
        keras.utils.clear_session()  # layers are numbered as in a new process
        model = tmp_path / f"{name}.keras"
        description = Job(variant="random", protocol="notebook", seed=1, epochs=3, batch_size=8)
        history = tmp_path / f"{name}.csv"
        job.run_job(description, tmp_path / "train.npz", model, history, test_path=None, checkpoints_folder=folder)
        return keras.models.load_model(model, compile=False)

    return run


def test_resumed_training_repeats_bit_for_bit(train, tmp_path, monkeypatch):
    uninterrupted = train("uninterrupted")
    save = checkpoints.Folder.save

    def saved_then_killed(*arguments):
        save(*arguments)
        raise Killed

    monkeypatch.setattr(checkpoints.Folder, "save", saved_then_killed)
    with pytest.raises(Killed):
        train("killed", tmp_path / "saved")
    monkeypatch.setattr(checkpoints.Folder, "save", save)
    resumed = train("resumed", tmp_path / "saved")
    for one, other in zip(uninterrupted.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_code_does_not_continue_a_training(train, tmp_path, monkeypatch, capsys):
    """An edit of the variant's code, such as of a layer's `call`, need not change the network's structure."""
    monkeypatch.setattr(checkpoints.Folder, "remove", lambda self: None)
    train("first", tmp_path / "saved")
    train("same", tmp_path / "saved")
    assert "resumed after epoch 2" in capsys.readouterr().err
    monkeypatch.setattr(job, "code_digest", lambda stage, *, variant, protocol: "edited")
    train("edited", tmp_path / "saved")
    assert "resumed" not in capsys.readouterr().err


def test_another_card_and_number_of_threads_continue_a_training(train, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints.Folder, "remove", lambda self: None)
    train("first", tmp_path / "saved")
    monkeypatch.setattr(plan, "_device_name", lambda: "NVIDIA A100")
    threads = SimpleNamespace(get_intra_op_parallelism_threads=lambda: 5)
    monkeypatch.setattr(plan.tf.config, "threading", threads)
    train("second", tmp_path / "saved")
    assert "resumed after epoch 2" in capsys.readouterr().err
    record = read_record(tmp_path / "second.keras")
    assert (record["device"], record["threads"]) == ("NVIDIA A100", 5)


def test_what_a_variants_file_makes_when_it_is_imported_depends_on_the_seed(tmp_path, monkeypatch):
    """Augmentation layers at the top level of the file take their seeds then."""
    states = []

    def imported(name):
        states.append(layers.RandomFlip().generator.state.numpy().tolist())
        raise Killed

    monkeypatch.setattr(job, "variant", imported)
    for seed in (1, 1, 2):
        description = job.Job(variant="random", protocol="notebook", seed=seed)
        paths = [tmp_path / name for name in ("train.npz", "model.keras", "history.csv")]
        with pytest.raises(Killed):
            job.run_job(description, *paths, test_path=None, checkpoints_folder=None)
    assert states[0] == states[1] != states[2]


def test_the_time_left_follows_the_latest_epochs():
    """Five slow epochs on a busy machine, then fast ones; a single slow one among them does not count."""
    history = [{"seconds": seconds} for seconds in (600, 600, 600, 600, 600, 20, 90, 20)]
    assert job.seconds_left(history, epochs=10) == 40
    assert job.seconds_left(history[:1], epochs=3) == 1200
