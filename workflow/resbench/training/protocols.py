"""How networks are trained: the protocols, as data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from resbench.common.errors import ResbenchError
from resbench.training.adam import FusedAdam


@dataclass(frozen=True)
class Protocol:
    """What is done to every network alike.

    batch_size: images a step, unless the configuration names another number.
    optimizer: from the number of steps of the whole run, and whether the network wants a warm-up.
    weight_decay: factor w of the penalty w/2 · ‖weights‖² in the loss.
    augment: pad by 4, crop at random and flip half of the images.
    """

    batch_size: int
    optimizer: Callable[[int, bool], keras.Optimizer]
    weight_decay: float
    augment: bool


def _adam(steps: int, warm_up: bool) -> keras.Optimizer:
    return FusedAdam()


def _stepped_sgd(steps: int, warm_up: bool) -> keras.Optimizer:
    """Learning rate 0.1, a tenth from step 32k of 64k, a hundredth from 48k; shortened runs scale.

    The warm-up is 0.01 for the first 400 of 64k steps.
    """
    boundaries, values = [steps // 2, steps * 3 // 4], [0.1, 0.01, 0.001]
    if warm_up:
        boundaries, values = [max(1, steps // 160), *boundaries], [0.01, *values]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
    return keras.optimizers.SGD(schedule, momentum=0.9)


@keras.saving.register_keras_serializable("resbench")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """One linear cycle of the learning rate: from a tenth of `peak` up to it, then down to almost nothing.

    Smith & Topin, "Super-Convergence" (2018), whose cycle ends before the run does, with a few steps at rates far
    below it; here the fall goes on to a hundredth of where it began, in one line.

    Args:
        peak: the highest learning rate.
        steps: of the whole run.
        rise: fraction of the steps before the peak.
    """

    def __init__(self, peak: float, steps: int, rise: float = 0.3) -> None:
        self.peak, self.steps, self.rise = peak, steps, rise

    def __call__(self, step: Any) -> Any:
        done = ops.cast(step, "float32") / max(1, self.steps)
        up = 0.1 + 0.9 * done / self.rise
        down = 0.001 + 0.999 * (1 - done) / (1 - self.rise)
        return self.peak * ops.minimum(up, down)

    def get_config(self) -> dict[str, float]:
        return {"peak": self.peak, "steps": self.steps, "rise": self.rise}


def _one_cycle_sgd(steps: int, warm_up: bool) -> keras.Optimizer:
    return keras.optimizers.SGD(OneCycle(0.4, steps), momentum=0.9, nesterov=True)


PROTOCOLS = {
    # The notebook's: Adam at its defaults, pixels as they are.
    "notebook": Protocol(batch_size=32, optimizer=_adam, weight_decay=0.0, augment=False),
    # He et al. (2015), §4.2.
    "he2015": Protocol(batch_size=128, optimizer=_stepped_sgd, weight_decay=1e-4, augment=True),
    # Smith & Topin (2018); peak and weight decay were chosen on held-out training images (docs/methodology.md).
    "onecycle": Protocol(batch_size=128, optimizer=_one_cycle_sgd, weight_decay=1e-4, augment=True),
}


def protocol(name: str) -> Protocol:
    if name not in PROTOCOLS:
        raise ResbenchError(f"unknown protocol {name!r}; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
