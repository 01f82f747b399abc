"""The pieces of the training loop."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from resbench.common.errors import ResbenchError
from resbench.common.progress import Progress
from resbench.data.store import Split, save_split
from resbench.training import job, loop
from resbench.training.adam import FusedAdam
from resbench.training.images import missing_class, split
from resbench.training.network import Network
from resbench.training.plan import Job, make_plan
from resbench.training.protocols import PROTOCOLS
from resbench.training.schedules import OneCycle


def random_split(count, seed=0):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return Split(images, random.integers(0, 3, count).astype(np.uint8), np.array(["a", "b", "c"]))


def tiny_model():
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))


def test_an_epochs_plan_depends_on_seed_and_epoch_alone():
    first, again = loop.epoch_plan(1, 2, 100), loop.epoch_plan(1, 2, 100)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], loop.epoch_plan(1, 3, 100)[0])
    assert not np.array_equal(first[0], loop.epoch_plan(2, 2, 100)[0])
    assert sorted(first[0]) == list(range(100))
    assert first[1].min(axis=0).tolist() == [0, 0, 0]
    assert first[1].max(axis=0).tolist() == [8, 8, 1]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 8), st.integers(0, 8), st.booleans())
def test_pad_crop_flip_is_numpys(row, column, mirrored):
    image = np.random.default_rng(row).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    padded = np.pad(image, [(0, 0), (4, 4), (4, 4), (0, 0)])
    expected = padded[:, row : row + 32, column : column + 32]
    expected = expected[:, :, ::-1] if mirrored else expected
    found = loop.pad_crop_flip(tf.constant(image), tf.constant([[row, column, int(mirrored)]], tf.int32))
    np.testing.assert_array_equal(found, expected)


def test_training_is_keras_fit():
    """Same data in the same order give Keras fit's weights, the smaller last batch included."""
    data, order = random_split(70), np.arange(70, dtype=np.int32)
    ours, theirs = tiny_model(), tiny_model()
    optimizer = keras.optimizers.Adam()
    optimizer.build(ours.trainable_variables)
    run_steps = loop.training_steps(ours, optimizer, PROTOCOLS["notebook"], data, xla=False)
    result = loop.run_epoch(run_steps, order, np.zeros((70, 3), np.int32), 32, 5, Progress("test"))

    theirs.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    history = theirs.fit(data.images, data.labels, batch_size=32, shuffle=False, verbose=0).history
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    assert result.loss == pytest.approx(history["loss"][0], rel=1e-5)
    assert result.accuracy == pytest.approx(history["accuracy"][0])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_softmax_of_reduced_precision_trains(policy):
    """A plain Dense head computes as the policy says, unlike `layers.probabilities`."""
    data, order = random_split(40), np.arange(40, dtype=np.int32)
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = tiny_model()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    optimizer = keras.optimizers.SGD(0.01)
    optimizer.build(model.trainable_variables)
    run_steps = loop.training_steps(model, optimizer, PROTOCOLS["notebook"], data, xla=False)
    result = loop.run_epoch(run_steps, order, np.zeros((40, 3), np.int32), 16, 5, Progress("test"))
    assert 0 < result.loss < 5
    assert loop.predict(model, data.images).dtype == np.float32


def test_steps_an_execution_do_not_change_the_result():
    data = random_split(64)
    order, draws = loop.epoch_plan(0, 1, 64)
    weights = []
    for steps in (1, 3, 100):
        model = tiny_model()
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        optimizer.build(model.trainable_variables)
        run_steps = loop.training_steps(model, optimizer, PROTOCOLS["he2015"], data, xla=False)
        loop.run_epoch(run_steps, order, draws, 8, steps, Progress("test"))
        weights.append(model.get_weights())
    for other in weights[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(weights[0], other, strict=True))


def test_augmented_steps_see_the_images_that_were_drawn():
    data = random_split(24)
    order, draws = loop.epoch_plan(0, 1, 24)
    drawn = np.empty_like(data.images)
    drawn[order] = loop.pad_crop_flip(tf.constant(data.images[order]), tf.constant(draws))
    weights = []
    for protocol, images in ((PROTOCOLS["he2015"], data.images), (replace(PROTOCOLS["he2015"], augment=False), drawn)):
        model = tiny_model()
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(model.trainable_variables)
        run_steps = loop.training_steps(model, optimizer, protocol, data._replace(images=images), xla=False)
        loop.run_epoch(run_steps, order, draws, 8, 3, Progress("test"))
        weights.append(model.get_weights())
    for mine, other in zip(*weights, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


def test_predictions_are_those_of_inference_and_change_nothing():
    data = random_split(loop.BATCH + 3)
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.AveragePooling2D(16)(keras.layers.Rescaling(1 / 255)(image))
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(keras.layers.BatchNormalization()(x)))
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))
    before = model.get_weights()
    expected = model(data.images, training=False).numpy()
    np.testing.assert_allclose(loop.predict(model, data.images), expected, atol=1e-6)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))


def test_each_epoch_is_that_of_its_seed_and_number_and_ends_with_the_held_out_images():
    """Continued after the first epoch, without a training: what is asked of the training function is noted."""
    data, held_out, model, asked, saved = random_split(20), random_split(9, seed=1), tiny_model(), [], []

    def run_steps(indices, draws):
        asked.append((indices.reshape(-1), draws.reshape(-1, 3)))
        return 1.5 * indices.size, 1

    plan = make_plan(Job("pool", "notebook", seed=5, epochs=3, batch_size=20), PROTOCOLS["notebook"], data)
    network = Network(model, keras.optimizers.SGD())
    folder = SimpleNamespace(save=lambda state: saved.append(len(state.history)))
    history = [{"epoch": 1, "seconds": 1.0}]
    job.train(plan, network, run_steps, 1, history, held_out, folder)
    for (order, draws), epoch in zip(asked, (2, 3), strict=True):
        expected = loop.epoch_plan(5, epoch, 20)
        np.testing.assert_array_equal(order, expected[0])
        np.testing.assert_array_equal(draws, expected[1])
    probabilities = model(held_out.images).numpy()
    right = probabilities.argmax(axis=1) == held_out.labels
    loss = -np.log(probabilities[np.arange(9), held_out.labels]).mean()
    for number, row in enumerate(history[1:], start=2):
        assert (row["epoch"], row["loss"], row["accuracy"]) == (number, 1.5, 1 / 20)
        assert row["validation_accuracy"] == pytest.approx(right.mean())
        assert row["validation_loss"] == pytest.approx(loss, rel=1e-4)
    assert saved == [2]  # not after the last, whose model is written


def test_timing_leaves_no_trace():
    model = tiny_model()
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    before = [value.numpy() for value in model.weights + optimizer.variables]
    run_steps = loop.training_steps(model, optimizer, PROTOCOLS["notebook"], random_split(40), xla=False)
    assert loop.seconds_per_step(run_steps, model, optimizer, 32, 40) > 0
    after = [value.numpy() for value in model.weights + optimizer.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_weight_decay_is_added_to_the_gradient():
    """With no data gradient left, one SGD step shrinks a weight by learning rate × weight decay."""
    data = Split(np.zeros((4, 32, 32, 3), np.uint8), np.zeros(4, np.uint8), np.array(["a", "b", "c"]))
    model = tiny_model()
    kernel = model.layers[-1].kernel
    before = kernel.numpy()
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    protocol = replace(PROTOCOLS["notebook"], weight_decay=0.1)
    run_steps = loop.training_steps(model, optimizer, protocol, data, xla=False)
    run_steps(np.arange(4, dtype=np.int32)[None], np.zeros((1, 4, 3), np.int32))
    np.testing.assert_allclose(kernel.numpy(), before * (1 - 0.5 * 0.1), rtol=1e-5)


class Additional(keras.layers.Layer):
    """Adds a loss with a dtype of its own, as a layer in reduced precision does."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        self.add_loss(tf.cast(3 * self.factor, tf.bfloat16))
        return x


def test_a_networks_own_losses_are_trained():
    """With no data gradient left, one SGD step is along the gradient of the regulariser and of `add_loss`."""
    data = Split(np.zeros((4, 32, 32, 3), np.uint8), np.zeros(4, np.uint8), np.array(["a", "b", "c"]))
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    head = keras.layers.Dense(3, activation="softmax", kernel_regularizer=keras.regularizers.L2(0.1))
    own = Additional()
    model = keras.Model(image, head(own(x)))
    before = head.kernel.numpy()
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    run_steps = loop.training_steps(model, optimizer, PROTOCOLS["notebook"], data, xla=False)
    loss, _ = run_steps(np.arange(4, dtype=np.int32)[None], np.zeros((1, 4, 3), np.int32))
    np.testing.assert_allclose(head.kernel.numpy(), before * (1 - 0.5 * 2 * 0.1), rtol=1e-5)
    np.testing.assert_allclose(own.factor.numpy(), 1 - 0.5 * 3)
    assert float(loss) == pytest.approx(4 * np.log(3))  # of the classes alone, comparable with the test loss


def test_a_loss_that_is_not_finite_is_an_error():
    model = tiny_model()
    model.layers[-1].kernel.assign(np.full((3072, 3), np.nan, np.float32))
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)
    run_steps = loop.training_steps(model, optimizer, PROTOCOLS["notebook"], random_split(8), xla=False)
    with pytest.raises(ResbenchError, match="training diverged"):
        loop.run_epoch(run_steps, np.arange(8, dtype=np.int32), np.zeros((8, 3), np.int32), 4, 1, Progress("test"))


def test_whatever_tensorflow_fails_at_is_one_line(monkeypatch, run_here):
    def fail(*_):
        raise tf.errors.UnimplementedError(None, None, "no kernel\n[[node]]")

    monkeypatch.setattr(job, "load_images", fail)
    with pytest.raises(ResbenchError, match=r"^pool: TensorFlow failed \(no kernel \[\[node\]\]\); try --no-xla"):
        run_here(Job("pool", "notebook", 0, 1))


@pytest.mark.parametrize("warm_up", [False, True])
def test_the_step_schedule_is_the_papers(warm_up):
    optimizer = PROTOCOLS["he2015"].optimizer(64_000, warm_up)
    rates = {}
    for step in (0, 400, 401, 32_000, 32_001, 48_000, 48_001, 63_999):
        optimizer.iterations.assign(step)
        rates[step] = round(float(optimizer.learning_rate), 6)
    start = 0.01 if warm_up else 0.1
    assert list(rates.values()) == [start, start, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]


@pytest.mark.parametrize(
    ("name", "batch_size", "weight_decay", "augment", "optimizer"),
    [
        ("notebook", 32, 0, False, {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
        ("he2015", 128, 1e-4, True, {"momentum": 0.9, "nesterov": False}),
        ("onecycle", 128, 1e-4, True, {"momentum": 0.9, "nesterov": True}),
    ],
)
def test_settings_of_the_protocols(name, batch_size, weight_decay, augment, optimizer):
    protocol = PROTOCOLS[name]
    assert (protocol.batch_size, protocol.weight_decay, protocol.augment) == (batch_size, weight_decay, augment)
    config = protocol.optimizer(1000, False).get_config()
    assert {key: config[key] for key in optimizer} == pytest.approx(optimizer)
    assert config["weight_decay"] is None  # it is in the loss


def test_onecycle_peaks_after_three_tenths_of_the_run():
    schedule = PROTOCOLS["onecycle"].optimizer(1000, False)._learning_rate
    assert [round(float(schedule(step)), 6) for step in (0, 300, 1000)] == [0.04, 0.4, 0.0004]


def test_the_cycle_rises_from_a_tenth_of_the_peak_and_ends_at_a_hundredth_of_that():
    schedule = OneCycle.from_config(OneCycle(0.4, steps=1000, rise=0.2).get_config())
    rates = [round(float(schedule(step)), 6) for step in (0, 100, 200, 600, 1000)]
    assert rates == [0.04, 0.22, 0.4, 0.2002, 0.0004]


def test_splitting():
    data = random_split(10)
    training, validation = split(data, limit=8, validation=3)
    np.testing.assert_array_equal(training.images, data.images[:5])
    np.testing.assert_array_equal(validation.labels, data.labels[5:8])
    assert split(data, None, 0)[1] is None
    with pytest.raises(ResbenchError, match="leaves none"):
        split(data, 3, 3)


def test_a_part_that_lacks_a_class_is_refused(tmp_path, run_here):
    """Sorted by class, the first images are of one class only; of mixed images, a few may lack one by chance."""
    mixed = random_split(80)._replace(labels=np.arange(80, dtype=np.uint8) % 2, classes=np.array(["cat", "dog"]))
    ordered = mixed._replace(labels=np.sort(mixed.labels))
    assert [missing_class(mixed, part) for part in split(mixed, 60, 20)] == [None, None]
    assert [missing_class(ordered, part) for part in split(ordered, None, 20)] == [None, "cat"]
    assert missing_class(ordered, split(ordered, 8, 0)[0]) is None
    save_split(tmp_path / "train.npz", ordered)
    with pytest.raises(ResbenchError, match=r"train\.npz: sorted by class, .* lack class 'dog'; mix the images"):
        run_here(Job("pool", "notebook", 0, 1, limit=40))


def train_by(optimizer, start, gradients):
    """The weights and the optimizer's state after a step for each gradient, in a graph as training has them."""
    weights = keras.Variable(start)
    optimizer.build([weights])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [weights]))
    for gradient in gradients:
        step(tf.constant(gradient))
    return [weights.numpy(), *(state.numpy() for state in optimizer.variables)]


def test_adam_is_kerass():
    random = np.random.default_rng(0)
    start, gradients = random.normal(size=(5, 7)).astype(np.float32), random.normal(size=(10, 5, 7)).astype(np.float32)
    ours, theirs = (train_by(adam, start, gradients) for adam in (FusedAdam(), keras.optimizers.Adam()))
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-5, atol=1e-7)
    assert not np.allclose(ours[0], start, atol=1e-3)
