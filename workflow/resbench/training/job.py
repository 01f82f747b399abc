"""One training job: a variant, a protocol and a seed, from an array file to a model file."""

import hashlib
import json
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from resbench.common.errors import ResbenchError, one_line
from resbench.common.progress import Progress, duration, say
from resbench.data.store import Split
from resbench.networks.registry import describe_error, variant
from resbench.stages import code_digest
from resbench.training import checkpoints, loop
from resbench.training.images import load_images
from resbench.training.network import Network, build_network, in_float32
from resbench.training.outputs import History, require_outputs, write_outputs
from resbench.training.plan import Job, Plan, describe, make_plan
from resbench.training.protocols import protocol

EXECUTION_SECONDS = 1.0  # how long one execution should take: progress and Ctrl-C wait for its end
MOST_STEPS = 200  # in one execution


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
        ResbenchError: An unknown variant or protocol, unusable data, outputs that cannot be written, a network that
            cannot be compiled for training, a loss that is not finite, too little memory, or any other failure of
            TensorFlow.
    """
    with _failures_in_one_line(job.variant):
        require_outputs(model_path, history_path, checkpoints_folder)
        keras.utils.set_random_seed(job.seed)  # the variant's file may make layers when it is imported
        module, recipe = variant(job.variant), protocol(job.protocol)
        training, validation, test = load_images(data_path, test_path, job.limit, job.validation)
        plan = make_plan(job, recipe, training)
        network = build_network(plan, module, training)
        record = describe(plan, data_path)
        saved = None
        if checkpoints_folder:
            saved = checkpoints.Folder(checkpoints_folder, _fingerprint(job, record, network.model))
        history = resume(plan, network, saved)
        run_steps = loop.training_steps(*network, recipe, training, plan.xla)
        del training  # it is on the device now
        with _uncompilable_network_in_one_line(Path(str(module.__file__))):
            step_seconds = loop.seconds_per_step(run_steps, *network, plan.batch_size, plan.images)
        left = step_seconds * plan.images / plan.batch_size * (plan.epochs - len(history))
        say(
            f"{plan.title}: {plan.epochs} epochs of {plan.images:,} images on {record['device']}, "
            f"about {duration(left)} (measured on 3 steps)"
        )
        steps = int(np.clip(EXECUTION_SECONDS / step_seconds, 1, MOST_STEPS))
        train(plan, network, run_steps, steps, history, validation, saved)
        model = in_float32(network.model, module.build, plan)
        if test:
            history[-1]["test_accuracy"], history[-1]["test_loss"] = loop.measure(model, test)
            say(f"{plan.title}: test accuracy {history[-1]['test_accuracy']:.4f}")
        record["train_seconds"] = sum(row["seconds"] for row in history)
        write_outputs(model, record, history, model_path, history_path)
        if saved:
            saved.remove()


@contextmanager
def _failures_in_one_line(name: str) -> Iterator[None]:
    """Raise what TensorFlow fails at as one line with a remedy."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise ResbenchError(f"{name}: not enough memory; train with a smaller --batch-size") from error
    except tf.errors.OpError as error:
        raise ResbenchError(f"{name}: TensorFlow failed ({one_line(error)}); try --no-xla, or --device cpu") from error


@contextmanager
def _uncompilable_network_in_one_line(file: Path) -> Iterator[None]:
    """Raise what a layer of a variant's own raises when the first step is compiled as one line that names its file."""
    try:
        yield
    except (tf.errors.OpError, MemoryError):  # of a run, not of the network
        raise
    except Exception as error:
        raise ResbenchError(
            f"{file}: its network cannot be trained ({describe_error(error, file)}); correct it, and let its own "
            "layers compute with keras.ops alone"
        ) from error


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


def train(
    plan: Plan,
    network: Network,
    run_steps: loop.RunSteps,
    steps: int,
    history: History,
    validation: Split | None,
    saved: checkpoints.Folder | None,
) -> None:
    """Train the epochs that the history lacks, adding a row for each, and save after all but the last.

    Args:
        plan: The job.
        network: Its network.
        run_steps: Its training function.
        steps: Steps in one execution.
        history: Rows of the epochs done; it is extended.
        validation: Held-out images to measure after each epoch; None for none.
        saved: Where checkpoints are saved; None for none.
    """
    for epoch in range(len(history) + 1, plan.epochs + 1):
        title = f"{plan.title} epoch {epoch}/{plan.epochs}"
        order, draws = loop.epoch_plan(plan.job.seed, epoch, plan.images)
        result = loop.run_epoch(run_steps, order, draws, plan.batch_size, steps, Progress(title))
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


def _fingerprint(job: Job, how: dict[str, Any], model: keras.Model) -> str:
    """Return what identifies the job whose checkpoints may be resumed: settings, data, code and network.

    The device and the number of threads are left out: after an interruption, a job may get others. The number of
    variables is included, since the states of random layers' seed generators are variables, too.
    """
    code = code_digest("train", variant=job.variant, protocol=job.protocol)
    settings = {key: value for key, value in how.items() if key not in ("device", "threads")}
    text = json.dumps(settings, sort_keys=True) + code + model.to_json() + str(len(model.variables))
    return hashlib.sha256(text.encode()).hexdigest()
