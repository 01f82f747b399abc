"""The training loop: images stay uint8 on the device, and several steps are one execution."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from resbench.common.errors import ResbenchError
from resbench.common.progress import Progress
from resbench.data.store import Split
from resbench.statistics.metrics import accuracy_and_loss
from resbench.training.normalization import fused_batch_normalization
from resbench.training.protocol import Protocol

BATCH = 500  # images that are predicted at once
PAD = 4  # pixels of zero padding on each side before a random crop
RunSteps = Callable[[NDArray[np.int32], NDArray[np.int32]], tuple[tf.Tensor, tf.Tensor]]


class Epoch(NamedTuple):
    """The result of one epoch.

    Attributes:
        loss: Mean over the images, each as it was when it was trained on.
        accuracy: Likewise, a fraction.
        seconds: Duration, s.
    """

    loss: float
    accuracy: float
    seconds: float


def training_steps(
    model: keras.Model, optimizer: keras.Optimizer, protocol: Protocol, data: Split, xla: bool
) -> RunSteps:
    """Put the images on the device, once, and compile the steps over them.

    Without XLA, every operation is deterministic, so that a seed gives the same weights on the same device. XLA cannot
    compile the gradient of max pooling that way; with it, results may differ.

    Args:
        model: The network.
        optimizer: Its optimiser.
        protocol: How it is trained.
        data: Training images.
        xla: Whether to compile with XLA.

    Returns:
        A function of image indices, int32 (steps, batch), and their random draws, int32 (steps, batch, 3), that trains
        a step on each row and returns the sum of the losses and the number of correct predictions over all images.
    """
    if not xla:
        tf.config.experimental.enable_op_determinism()
    images, labels = tf.constant(data.images), tf.constant(data.labels, tf.int32)
    loss_of = keras.losses.get(protocol.loss)

    @tf.function(jit_compile=xla, autograph=False)
    def step(indices: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch, truth = tf.gather(images, indices), tf.gather(labels, indices)
        if protocol.augment:
            batch = pad_crop_flip(batch, draws)
        with fused_batch_normalization(model), tf.GradientTape() as tape:
            probabilities = model(batch, training=True)
            # A head without a dtype of its own has losses of reduced precision.
            losses = tf.cast(loss_of(truth, probabilities), tf.float32)
            objective = tf.reduce_mean(losses)
            if protocol.weight_decay:
                penalty = tf.add_n([tf.nn.l2_loss(weights) for weights in model.trainable_variables])
                objective += protocol.weight_decay * penalty
            for loss in model.losses:  # of its regularisers, and of `add_loss`
                objective += tf.reduce_sum(tf.cast(loss, tf.float32))
            objective = optimizer.scale_loss(objective)
        optimizer.apply(tape.gradient(objective, model.trainable_variables), model.trainable_variables)
        correct = tf.equal(tf.argmax(probabilities, axis=1, output_type=tf.int32), truth)
        return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(correct, tf.int32))

    # Without autograph, which writes generated code into the temporary folder; therefore the loop is explicit.
    @tf.function(
        input_signature=[tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None, 3), tf.int32)],
        autograph=False,
    )
    def run_steps(indices: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def train_row(row: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            step_loss, step_correct = step(indices[row], draws[row])
            return row + 1, loss + step_loss, correct + step_correct

        rows, start = tf.shape(indices)[0], (tf.constant(0), tf.constant(0.0), tf.constant(0))
        _, loss, correct = tf.while_loop(lambda row, loss, correct: row < rows, train_row, start)
        return loss, correct

    return run_steps


def pad_crop_flip(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Pad each image by 4 black pixels, crop it to its size at a random position, and mirror half of them.

    He et al. (2015), §4.2.

    Args:
        images: (batch, height, width, 3), any dtype.
        draws: int32 (batch, 3): row and column of the crop in [0, 8], and 1 to mirror.

    Returns:
        The shape of the images.
    """
    height, width = images.shape[1], images.shape[2]
    padded = tf.pad(images, [(0, 0), (PAD, PAD), (PAD, PAD), (0, 0)])
    rows = draws[:, :1] + tf.range(height)
    columns = draws[:, 1:2] + tf.where(draws[:, 2:] == 1, tf.range(width)[::-1], tf.range(width))
    return tf.gather(tf.gather(padded, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def epoch_plan(seed: int, epoch: int, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return everything random in one epoch, from (seed, epoch) alone, so that a resumed job repeats it.

    Args:
        seed: The job's seed.
        epoch: Number of the epoch, from 1.
        count: Number of images.

    Returns:
        The order of the images, int32 (count,), and their draws for `pad_crop_flip`, int32 (count, 3).
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(count).astype(np.int32)
    draws = random.integers((0, 0, 0), (2 * PAD + 1, 2 * PAD + 1, 2), size=(count, 3), dtype=np.int32)
    return order, draws


def seconds_per_step(
    run_steps: RunSteps, model: keras.Model, optimizer: keras.Optimizer, batch_size: int, count: int
) -> float:
    """Time a few steps, after one that compiles them.

    Args:
        run_steps: The training function.
        model: The network, which is left unchanged.
        optimizer: Its optimiser, which is left unchanged.
        batch_size: Images in a step.
        count: Number of training images.

    Returns:
        Seconds.
    """
    variables = model.variables + optimizer.variables
    before = values(variables)
    indices = np.arange(4 * batch_size, dtype=np.int32).reshape(4, batch_size) % count
    draws = np.zeros((4, batch_size, 3), np.int32)
    float(run_steps(indices[:1], draws[:1])[0])
    start = perf_counter()
    float(run_steps(indices[1:], draws[1:])[0])
    seconds = (perf_counter() - start) / 3
    assign(variables, before)
    return seconds


def values(variables: list[keras.Variable]) -> list[NDArray[Any]]:
    """Return the values of variables.

    Args:
        variables: The variables.

    Returns:
        Their values, in the same order.
    """
    return [variable.numpy() for variable in variables]


def assign(variables: list[keras.Variable], new: list[NDArray[Any]]) -> None:
    """Set variables to new values.

    Args:
        variables: The variables.
        new: Their values, in the same order.
    """
    for variable, value in zip(variables, new, strict=True):
        variable.assign(value)


def run_epoch(
    run_steps: RunSteps,
    order: NDArray[np.int32],
    draws: NDArray[np.int32],
    batch_size: int,
    steps: int,
    progress: Progress,
) -> Epoch:
    """Train on each image once; a last, smaller batch takes the rest.

    Args:
        run_steps: The training function.
        order: Order of the images, int32 (N,).
        draws: Their random draws, int32 (N, 3).
        batch_size: Images in a step.
        steps: Steps in one execution.
        progress: Shows the progress.

    Returns:
        The result of the epoch.

    Raises:
        ResbenchError: The loss is no longer finite.
    """
    start = perf_counter()
    done, loss, correct = 0, 0.0, 0
    while done < len(order):
        rows = min(steps, max(1, (len(order) - done) // batch_size))
        chunk = slice(done, done + rows * batch_size)
        step_loss, step_correct = run_steps(order[chunk].reshape(rows, -1), draws[chunk].reshape(rows, -1, 3))
        loss, correct = loss + float(step_loss), correct + int(step_correct)
        done = min(chunk.stop, len(order))
        if not np.isfinite(loss):
            raise ResbenchError(
                f"training diverged: the loss is {loss} after {done} images of this epoch; "
                "try another seed or protocol, or --mixed-precision none if another is used"
            )
        progress.update(done / len(order), f"loss {loss / done:.4f}")
    progress.clear()
    return Epoch(loss / done, correct / done, perf_counter() - start)


def measure(model: keras.Model, data: Split) -> tuple[float, float]:
    """Return top-1 accuracy and mean loss.

    Args:
        model: The network.
        data: The images.

    Returns:
        The accuracy, a fraction, and the loss in nats.
    """
    return accuracy_and_loss(predict(model, data.images), data.labels)


def predict(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return class probabilities.

    Args:
        model: The network.
        images: uint8 (N, 32, 32, 3).

    Returns:
        float32 (N, classes).
    """
    call = tf.function(
        lambda batch: tf.cast(model(batch, training=False), tf.float32), autograph=False, reduce_retracing=True
    )
    parts = [call(tf.constant(images[i : i + BATCH])).numpy() for i in range(0, len(images), BATCH)]
    return np.concatenate(parts)
