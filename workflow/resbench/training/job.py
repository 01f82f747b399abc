"""One training job: a variant, a protocol and a seed, from an array file to a model file."""

import csv
import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import atomic, sha256
from resbench.common.progress import Progress, duration, say
from resbench.data.store import Split, load_split
from resbench.networks.deep import Centre
from resbench.networks.registry import variant
from resbench.training import checkpoints, loop
from resbench.training.protocols import protocol
from resbench.training.settings import POLICIES

RECORD = "resbench.json"  # the member of a .keras file that says how the model was made
EXECUTION_SECONDS = 1.0  # how long one execution should take: progress and Ctrl-C wait for its end
MOST_STEPS = 200  # in one execution
HISTORY_COLUMNS = (
    "epoch",
    "loss",
    "accuracy",
    "images_per_second",
    "seconds",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)


@dataclass(frozen=True)
class Job:
    """What decides the resulting weights, together with the images and the number of threads.

    epochs and batch_size None are the protocol's; limit None is every image; xla None is on where it pays, on a GPU;
    mixed_precision None is float16 there and none on a CPU.
    """

    variant: str
    protocol: str
    seed: int
    epochs: int | None = None
    batch_size: int | None = None
    limit: int | None = None
    validation: int = 0
    xla: bool | None = None
    mixed_precision: str | None = None


def run_job(
    job: Job,
    data_path: Path,
    model_path: Path,
    history_path: Path,
    *,
    test_path: Path | None,
    checkpoints_folder: Path | None,
) -> None:
    """Train and write the model and its history; with checkpoints, go on where a killed run stopped.

    Raises:
        ResbenchError: unknown variant or protocol, unusable data or names of outputs, a loss that is not finite, no
            memory, or whatever else TensorFlow fails at.
    """
    try:
        _run(job, data_path, model_path, history_path, test_path, checkpoints_folder)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise ResbenchError(f"{job.variant}: memory ran out; train with a smaller --batch-size") from error
    except tf.errors.OpError as error:
        raise ResbenchError(
            f"{job.variant}: TensorFlow failed ({one_line(error)}); try --no-xla, or --device cpu"
        ) from error


def _run(
    job: Job, data_path: Path, model_path: Path, history_path: Path, test_path: Path | None, folder: Path | None
) -> None:
    if model_path.suffix != ".keras" or model_path.is_dir() or history_path.is_dir():
        raise ResbenchError(f"{model_path}: name a file that ends in .keras, and a file for the history")
    module, recipe = variant(job.variant), protocol(job.protocol)
    data = load_split(data_path)
    test = load_split(test_path) if test_path else None
    training, validation = split(data, job.limit, job.validation)
    classes = [str(name) for name in data.classes]
    del data
    job = replace(job, epochs=(epochs := job.epochs or recipe.epochs))
    count, batch_size = len(training.images), min(job.batch_size or recipe.batch_size, len(training.images))
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    xla = on_gpu if job.xla is None else job.xla
    mixed = job.mixed_precision or ("float16" if on_gpu else "none")

    keras.utils.set_random_seed(job.seed)
    keras.mixed_precision.set_global_policy(POLICIES[mixed])
    model = module.build(len(classes))
    if model.output_shape != (None, len(classes)):
        raise ResbenchError(
            f"{job.variant}: its head has shape {model.output_shape}, but the data has {len(classes)} classes"
        )
    set_centre(model, training)
    optimizer = recipe.optimizer(epochs * -(-count // batch_size), getattr(module, "WARM_UP", False))
    if mixed == "float16":  # whose small gradients would vanish; bfloat16 has float32's range
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)

    how = asdict(job) | {
        "batch_size": batch_size,
        "train_images": count,
        "classes": classes,
        "train_sha256": sha256(data_path),
        "device": _device_name(),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "xla": xla,
        "mixed_precision": mixed,
        "tensorflow": version("tensorflow"),
    }
    fingerprint = _fingerprint(how, model)
    history: list[dict[str, float]] = []
    if folder and (state := checkpoints.load(folder, fingerprint)):
        loop.assign(model.variables, state.weights)
        loop.assign(optimizer.variables, state.optimizer)
        history = state.history
        say(f"{job.variant} seed {job.seed}: resumed after epoch {len(history)} of {epochs}")

    run_steps = loop.training_steps(model, optimizer, recipe, training, xla)
    del training  # it is on the device now
    step_seconds = loop.seconds_per_step(run_steps, model, optimizer, batch_size, count)
    steps = int(np.clip(EXECUTION_SECONDS / step_seconds, 1, MOST_STEPS))
    expected = step_seconds * count / batch_size * (epochs - len(history))
    say(
        f"{job.variant} seed {job.seed}: {epochs} epochs of {count:,} images on {how['device']}, "
        f"about {duration(expected)} (measured on 3 steps)"
    )
    for epoch in range(len(history) + 1, epochs + 1):
        title = f"{job.variant} seed {job.seed} epoch {epoch}/{epochs}"
        order, draws = loop.epoch_plan(job.seed, epoch, count)
        result = loop.run_epoch(run_steps, order, draws, batch_size, steps, Progress(title))
        row = {"epoch": epoch, "loss": result.loss, "accuracy": result.accuracy, "seconds": result.seconds}
        row["images_per_second"] = count / result.seconds
        if validation:
            row["validation_accuracy"], row["validation_loss"] = loop.measure(model, validation)
        history.append(row)
        left = sum(past["seconds"] for past in history) / epoch * (epochs - epoch)
        say(
            f"{title}: loss {result.loss:.4f}, accuracy {result.accuracy:.4f}, "
            f"{row['images_per_second']:.0f} images/s, {duration(left)} left"
        )
        if folder and epoch < epochs:
            state = checkpoints.State(loop.values(model.variables), loop.values(optimizer.variables), history)
            checkpoints.save(folder, fingerprint, state)

    if mixed != "none":
        model = in_float32(model, module.build, len(classes))
    if test:
        history[-1]["test_accuracy"], history[-1]["test_loss"] = loop.measure(model, test)
        say(f"{job.variant} seed {job.seed}: test accuracy {history[-1]['test_accuracy']:.4f}")
    how["train_seconds"] = sum(row["seconds"] for row in history)
    with atomic(model_path) as new_model, atomic(history_path) as new_history:
        model.save(new_model)
        with zipfile.ZipFile(new_model, "a") as archive:
            archive.writestr(RECORD, json.dumps(how))
        with new_history.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, HISTORY_COLUMNS)
            writer.writeheader()
            writer.writerows(history)
    if folder:
        checkpoints.remove(folder)


def split(data: Split, limit: int | None, validation: int) -> tuple[Split, Split | None]:
    """The first `limit` images, less the last `validation` of them, which are held out."""
    count = min(limit or len(data.images), len(data.images))
    if validation >= count:
        raise ResbenchError(f"--validation {validation} leaves none of {count} images to train on")
    cut = count - validation
    training = Split(data.images[:cut], data.labels[:cut], data.classes)
    return training, Split(data.images[cut:count], data.labels[cut:count], data.classes) if validation else None


def set_centre(model: keras.Model, training: Split) -> None:
    """Put the training images' per-pixel mean, scaled to [0, 1], where a network subtracts it."""
    for layer in model.layers:
        if isinstance(layer, Centre):
            total = np.zeros(training.images.shape[1:], np.int64)
            for start in range(0, len(training.images), 1000):  # an int64 copy of all images would be 1.2 GB
                total += training.images[start : start + 1000].sum(axis=0, dtype=np.int64)
            layer.mean.assign(total / (len(training.images) * 255.0))


def in_float32(model: keras.Model, build: Any, classes: int) -> keras.Model:
    """The same weights in a network that computes in float32, whatever it was trained in."""
    keras.mixed_precision.set_global_policy("float32")
    copy = build(classes)
    copy.set_weights(model.get_weights())
    return copy


def read_record(model_path: Path) -> dict[str, Any]:
    """How a .keras file was made: the job, its data and its device.

    Raises ResbenchError where the file is not one that `resbench train` wrote.
    """
    try:
        with zipfile.ZipFile(model_path) as archive:
            record: dict[str, Any] = json.loads(archive.read(RECORD))
            return record
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ResbenchError(
            f"{model_path}: not a model that `resbench train` wrote ({error}); train it again"
        ) from error


def _fingerprint(how: dict[str, Any], model: keras.Model) -> str:
    """Names the job whose checkpoints may be resumed: settings, data, device and the network's structure.

    The number of variables is among it, since the states of random layers' seed generators are variables too.
    """
    text = json.dumps(how, sort_keys=True) + model.to_json() + str(len(model.variables))
    return hashlib.sha256(text.encode()).hexdigest()


def _device_name() -> str:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))
    return "the CPU"
