"""The network that a job trains: built from its seed, with its optimiser, and saved in float32."""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import keras
import numpy as np

from resbench.data.store import Split
from resbench.networks.contract import build
from resbench.networks.deep import Centre
from resbench.training.plan import Plan
from resbench.training.settings import POLICIES


class Network(NamedTuple):
    """A model in training, with its optimizer."""

    model: keras.Model
    optimizer: keras.Optimizer


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
