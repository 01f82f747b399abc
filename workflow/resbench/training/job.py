"""One training job: a variant, a protocol and a seed, from an array file to a model file."""

import csv
import hashlib
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import atomic, require_writable, sha256
from resbench.common.progress import Progress, duration, say
from resbench.data.store import Split, load_split
from resbench.networks.contract import build
from resbench.networks.deep import Centre
from resbench.networks.registry import variant
from resbench.stages import code_digest
from resbench.training import checkpoints, loop
from resbench.training.protocol import Protocol
from resbench.training.protocols import protocol
from resbench.training.record import add_record
from resbench.training.settings import POLICIES

EXECUTION_SECONDS = 1.0  # how long one execution should take: progress and Ctrl-C wait for its end
MOST_STEPS = 200  # in one execution
EXPECTED = 10  # a random part in which 10 images of a class are expected has none with probability e^-10
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

    Attributes:
        variant: Name of the network.
        protocol: Name of the training protocol.
        seed: Seed of initial weights, order and augmentation.
        epochs: Passes over the images; None takes the protocol's number.
        batch_size: Images in a step; None takes the protocol's number.
        limit: Use only the first images; None uses all.
        validation: How many of these are held out.
        xla: Whether to compile with XLA; None does so on a GPU only.
        mixed_precision: A key of POLICIES; None takes `float16` on a GPU and `none` on a CPU.
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
    """Train a network and write the model and its history; with checkpoints, continue where a killed run stopped.

    Args:
        job: What to train.
        data_path: Training images, .npz.
        model_path: Model to write, .keras.
        history_path: History to write, .csv.
        test_path: Test images, measured once, after the last epoch; None for none.
        checkpoints_folder: Folder for checkpoints; None keeps none.

    Raises:
        ResbenchError: An unknown variant or protocol, unusable data, outputs that cannot be written, a loss that is not
            finite, too little memory, or any other failure of TensorFlow.
    """
    try:
        _run(job, data_path, model_path, history_path, test_path, checkpoints_folder)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise ResbenchError(f"{job.variant}: not enough memory; train with a smaller --batch-size") from error
    except tf.errors.OpError as error:
        raise ResbenchError(
            f"{job.variant}: TensorFlow failed ({one_line(error)}); try --no-xla, or --device cpu"
        ) from error


class Plan(NamedTuple):
    """A job with every choice made.

    Attributes:
        job: What was asked for.
        protocol: How it is trained.
        classes: Names of the classes.
        images: Number of images to train on.
        epochs: Passes over them.
        batch_size: Images per step.
        xla: Whether the steps are compiled with XLA.
        mixed_precision: Arithmetic of the layers, a key of POLICIES.
    """

    job: Job
    protocol: Protocol
    classes: list[str]
    images: int
    epochs: int
    batch_size: int
    xla: bool
    mixed_precision: str

    @property
    def title(self) -> str:
        """Return the job's name in messages."""
        return f"{self.job.variant} seed {self.job.seed}"

    @property
    def steps(self) -> int:
        """Return the number of steps of the complete run."""
        return self.epochs * -(-self.images // self.batch_size)


class Network(NamedTuple):
    """A model in training, with its optimizer."""

    model: keras.Model
    optimizer: keras.Optimizer


class Pace(NamedTuple):
    """Speed of the training: seconds per step, and steps in one execution."""

    step_seconds: float
    steps: int


History = list[dict[str, float]]  # a row for each epoch done, by HISTORY_COLUMNS


def _run(
    job: Job, data_path: Path, model_path: Path, history_path: Path, test_path: Path | None, folder: Path | None
) -> None:
    if model_path.suffix != ".keras" or model_path.is_dir() or history_path.is_dir():
        raise ResbenchError(f"{model_path}: name a file that ends in .keras, and a file for the history")
    if model_path.resolve() == history_path.resolve():
        raise ResbenchError(f"{history_path}: is the file of the model; name another one for the history")
    for path in filter(None, (model_path, history_path, folder and folder / "checkpoint")):
        require_writable(path)
    module, recipe = variant(job.variant), protocol(job.protocol)
    data = load_split(data_path)
    training, validation = split(data, job.limit, job.validation)
    for part in filter(None, (training, validation)):
        if (missing := missing_class(data, part)) is not None:
            raise ResbenchError(
                f"{data_path}: sorted by class, so that {len(part.labels):,} images to train on or to hold out lack "
                f"class {missing!r}; mix the images in their archive, or train on all, without limit and validation"
            )
    del data
    test = load_split(test_path) if test_path else None
    if test and test.classes.tolist() != training.classes.tolist():
        raise ResbenchError(f"{test_path}: its classes are not those of {data_path}; name images of the same dataset")
    plan = make_plan(job, recipe, training)
    network = build_network(plan, module, training)
    record = describe(plan, data_path)
    saved = checkpoints.Folder(folder, _fingerprint(job, record, network.model)) if folder else None
    history = resume(plan, network, saved)
    run_steps = loop.training_steps(*network, recipe, training, plan.xla)
    del training  # it is on the device now
    pace = measure_pace(plan, network, run_steps)
    left = pace.step_seconds * plan.images / plan.batch_size * (plan.epochs - len(history))
    say(
        f"{plan.title}: {plan.epochs} epochs of {plan.images:,} images on {record['device']}, "
        f"about {duration(left)} (measured on 3 steps)"
    )
    train(plan, network, run_steps, pace, history, validation, saved)
    model = in_float32(network.model, module.build, plan)
    if test:
        history[-1]["test_accuracy"], history[-1]["test_loss"] = loop.measure(model, test)
        say(f"{plan.title}: test accuracy {history[-1]['test_accuracy']:.4f}")
    record["train_seconds"] = sum(row["seconds"] for row in history)
    write_outputs(model, record, history, model_path, history_path)
    if saved:
        saved.remove()


def make_plan(job: Job, recipe: Protocol, training: Split) -> Plan:
    """Fill in what the job leaves to the protocol, the images and the device.

    Args:
        job: What was asked for.
        recipe: Its protocol.
        training: Its training images.

    Returns:
        The job with every choice made.
    """
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    return Plan(
        job=job,
        protocol=recipe,
        classes=[str(name) for name in training.classes],
        images=len(training.images),
        epochs=job.epochs or recipe.epochs,
        batch_size=min(job.batch_size or recipe.batch_size, len(training.images)),
        xla=on_gpu if job.xla is None else job.xla,
        mixed_precision=job.mixed_precision or ("float16" if on_gpu else "none"),
    )


def build_network(plan: Plan, module: ModuleType, training: Split) -> Network:
    """Build the model from the job's seed, and its optimiser.

    Args:
        plan: The job.
        module: The variant's module.
        training: Its training images, of which some networks take the mean.

    Returns:
        Model and optimiser.

    Raises:
        ResbenchError: The network breaks the contract for variants.
    """
    keras.utils.set_random_seed(plan.job.seed)
    keras.mixed_precision.set_global_policy(POLICIES[plan.mixed_precision])
    model = build(module, len(plan.classes))
    set_centre(model, training)
    optimizer = plan.protocol.optimizer(plan.steps, getattr(module, "WARM_UP", False))
    if plan.mixed_precision == "float16":  # whose small gradients would vanish; bfloat16 has float32's range
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return Network(model, optimizer)


def describe(plan: Plan, data_path: Path) -> dict[str, Any]:
    """Return the record of how the model was made, for its file.

    Args:
        plan: The job.
        data_path: Its training images.

    Returns:
        Values that JSON can hold.
    """
    return asdict(plan.job) | {
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "train_images": plan.images,
        "classes": plan.classes,
        "train_sha256": sha256(data_path),
        "device": _device_name(),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "xla": plan.xla,
        "mixed_precision": plan.mixed_precision,
        "tensorflow": version("tensorflow"),
    }


def resume(plan: Plan, network: Network, saved: checkpoints.Folder | None) -> History:
    """Restore the state in which a killed run of the same job stopped.

    Args:
        plan: The job.
        network: Its network, which is changed.
        saved: Its checkpoints; None where it has none.

    Returns:
        The history until then; empty for a new job.
    """
    state = saved.load() if saved else None
    if not state:
        return []
    loop.assign(network.model.variables, state.weights)
    loop.assign(network.optimizer.variables, state.optimizer)
    say(f"{plan.title}: resumed after epoch {len(state.history)} of {plan.epochs}")
    return state.history


def measure_pace(plan: Plan, network: Network, run_steps: loop.RunSteps) -> Pace:
    """Time a few steps, and choose how many make an execution of EXECUTION_SECONDS.

    Args:
        plan: The job.
        network: Its network, which is left unchanged.
        run_steps: Its training function.

    Returns:
        The pace.
    """
    seconds = loop.seconds_per_step(run_steps, *network, plan.batch_size, plan.images)
    return Pace(seconds, int(np.clip(EXECUTION_SECONDS / seconds, 1, MOST_STEPS)))


def train(
    plan: Plan,
    network: Network,
    run_steps: loop.RunSteps,
    pace: Pace,
    history: History,
    validation: Split | None,
    saved: checkpoints.Folder | None,
) -> None:
    """Train the epochs that the history lacks, adding a row for each, and save after all but the last.

    Args:
        plan: The job.
        network: Its network.
        run_steps: Its training function.
        pace: How many steps make an execution.
        history: Rows of the epochs done; it is extended.
        validation: Held-out images to measure after each epoch; None for none.
        saved: Where checkpoints are saved; None for none.
    """
    for epoch in range(len(history) + 1, plan.epochs + 1):
        title = f"{plan.title} epoch {epoch}/{plan.epochs}"
        order, draws = loop.epoch_plan(plan.job.seed, epoch, plan.images)
        result = loop.run_epoch(run_steps, order, draws, plan.batch_size, pace.steps, Progress(title))
        row = {"epoch": epoch, "loss": result.loss, "accuracy": result.accuracy, "seconds": result.seconds}
        row["images_per_second"] = plan.images / result.seconds
        if validation:
            row["validation_accuracy"], row["validation_loss"] = loop.measure(network.model, validation)
        history.append(row)
        say(
            f"{title}: loss {result.loss:.4f}, accuracy {result.accuracy:.4f}, "
            f"{row['images_per_second']:.0f} images/s, {duration(seconds_left(history, plan.epochs))} left"
        )
        if saved and epoch < plan.epochs:
            weights, state = loop.values(network.model.variables), loop.values(network.optimizer.variables)
            saved.save(checkpoints.State(weights, state, history))


def seconds_left(history: History, epochs: int) -> float:
    """Estimate how long the remaining epochs take, from the latest ones: earlier ones may be of another machine.

    Args:
        history: A row for each epoch done, at least one.
        epochs: Epochs of the complete run.

    Returns:
        Seconds.
    """
    return statistics.median(row["seconds"] for row in history[-3:]) * (epochs - len(history))


def write_outputs(
    model: keras.Model, record: dict[str, Any], history: History, model_path: Path, history_path: Path
) -> None:
    """Write the model, with the record of how it was made, and its history: both or neither.

    Args:
        model: The trained model.
        record: How it was made.
        history: Rows, by HISTORY_COLUMNS.
        model_path: File to write, .keras.
        history_path: File to write, .csv.
    """
    with atomic(model_path) as new_model, atomic(history_path) as new_history:
        model.save(new_model)
        add_record(new_model, record)
        with new_history.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, HISTORY_COLUMNS)
            writer.writeheader()
            writer.writerows(history)


def split(data: Split, limit: int | None, validation: int) -> tuple[Split, Split | None]:
    """Divide images into those that are trained on and those that are held out.

    Args:
        data: All images.
        limit: Use only the first ones; None uses all.
        validation: How many of these, from the end, are held out.

    Returns:
        Training images, and validation images or None.

    Raises:
        ResbenchError: No image is left to train on.
    """
    count = min(limit or len(data.images), len(data.images))
    if validation >= count:
        raise ResbenchError(f"--validation {validation} leaves none of {count} images to train on")
    cut = count - validation
    training = Split(data.images[:cut], data.labels[:cut], data.classes)
    return training, Split(data.images[cut:count], data.labels[cut:count], data.classes) if validation else None


def missing_class(data: Split, part: Split) -> str | None:
    """Return a class that a part of the images lacks, although it would have some if the images were mixed.

    A part of only a few images for each class may lack one by chance.

    Args:
        data: All images.
        part: Some of them.

    Returns:
        The class; None where there is no such class.
    """
    size = len(data.classes)
    expected = np.bincount(data.labels, minlength=size) * len(part.labels) / len(data.labels)
    missing = np.flatnonzero((expected >= EXPECTED) & (np.bincount(part.labels, minlength=size) == 0))
    return str(data.classes[missing[0]]) if len(missing) else None


def set_centre(model: keras.Model, training: Split) -> None:
    """Put the training images' per-pixel mean, scaled to [0, 1], where a network subtracts it.

    Args:
        model: The network.
        training: The images.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, Centre):
            total = np.zeros(training.images.shape[1:], np.int64)
            for start in range(0, len(training.images), 1000):  # an int64 copy of all images would be 1.2 GB
                total += training.images[start : start + 1000].sum(axis=0, dtype=np.int64)
            layer.mean.assign(total / (len(training.images) * 255.0))


def in_float32(model: keras.Model, build: Callable[[int], keras.Model], plan: Plan) -> keras.Model:
    """Return the same weights in a network that computes in float32, whatever it was trained in.

    Args:
        model: The trained network.
        build: Builds it for a number of classes.
        plan: The job.

    Returns:
        The network to save.
    """
    if plan.mixed_precision == "none":
        return model
    keras.mixed_precision.set_global_policy("float32")
    copy = build(len(plan.classes))
    copy.set_weights(model.get_weights())
    return copy


def _fingerprint(job: Job, how: dict[str, Any], model: keras.Model) -> str:
    """Return what identifies the job whose checkpoints may be resumed: settings, data, code and network.

    The device and the number of threads are left out: after an interruption, a job may get others. The number of
    variables is included, since the states of random layers' seed generators are variables, too.
    """
    code = code_digest("train", variant=job.variant, protocol=job.protocol)
    settings = {key: value for key, value in how.items() if key not in ("device", "threads")}
    text = json.dumps(settings, sort_keys=True) + code + model.to_json() + str(len(model.variables))
    return hashlib.sha256(text.encode()).hexdigest()


def _device_name() -> str:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))
    return "the CPU"
