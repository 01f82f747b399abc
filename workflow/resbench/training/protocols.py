"""Training protocols: one record each.  No other module lists their names.

Importable without TensorFlow: the functions that make an optimiser import Keras when they are called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resbench.common.errors import ResbenchError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Protocol:
    """How every network of a run is trained.

    Attributes:
        name: Name in the configuration and in report.csv.
        title: Optimiser and learning-rate schedule, for readers.
        optimizer: Returns the optimiser, given the number of steps of the run and whether the network needs a warm-up.
        batch_size: Images per step, unless the configuration sets another number.
        loss: Keras's name of the loss of one image.
        weight_decay: Factor w of the penalty w/2 · ‖weights‖² that is added to the loss.
        augment: Whether images are padded by 4 pixels, cropped at random, and half of them mirrored.
        epochs: Epochs of the full run.
        train_images: Training images of the full run.
        source: Where the protocol was published.
    """

    name: str
    title: str
    optimizer: Callable[[int, bool], keras.Optimizer] = field(repr=False)
    batch_size: int
    weight_decay: float
    augment: bool
    epochs: int
    source: str
    train_images: int = 50_000
    loss: str = "sparse_categorical_crossentropy"

    @property
    def summary(self) -> str:
        """Return one line for help texts and tables: `Adam at its defaults, batch 32, 10 epochs`."""
        augmentation = ", crops and flips" if self.augment else ""
        return f"{self.title}, batch {self.batch_size}{augmentation}, {self.epochs} epochs"


def _adam(steps: int, warm_up: bool) -> keras.Optimizer:
    """Return Adam at its defaults."""
    from resbench.training.adam import FusedAdam

    return FusedAdam()


def _stepped_sgd(steps: int, warm_up: bool) -> keras.Optimizer:
    """Return SGD at learning rate 0.1, a tenth of it from step 32k of 64k, a hundredth from 48k; shorter runs scale.

    The warm-up is 0.01 for the first 400 of 64k steps.
    """
    import keras

    boundaries, values = [steps // 2, steps * 3 // 4], [0.1, 0.01, 0.001]
    if warm_up:
        boundaries, values = [max(1, steps // 160), *boundaries], [0.01, *values]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
    return keras.optimizers.SGD(schedule, momentum=0.9)


def _one_cycle_sgd(peak: float) -> Callable[[int, bool], keras.Optimizer]:
    """Return the function that makes SGD with one cycle of the learning rate up to `peak`."""

    def make(steps: int, warm_up: bool) -> keras.Optimizer:
        import keras

        from resbench.training.schedules import OneCycle

        return keras.optimizers.SGD(OneCycle(peak, steps), momentum=0.9, nesterov=True)

    return make


_RECORDS = (
    Protocol(
        name="notebook",
        title="Adam at its defaults",
        optimizer=_adam,
        batch_size=32,
        weight_decay=0.0,
        augment=False,
        epochs=10,
        source="the notebook whose three networks this project reproduces",
    ),
    Protocol(
        name="he2015",
        title="SGD, learning rate divided by 10 at 1/2 and 3/4 of the run",
        optimizer=_stepped_sgd,
        batch_size=128,
        weight_decay=1e-4,
        augment=True,
        epochs=164,  # 64,000 steps of 128 images are 163.7 epochs of 50,000
        source="He et al., Deep Residual Learning for Image Recognition (2015), §4.2",
    ),
    Protocol(
        name="onecycle",
        title="SGD, one linear cycle of the learning rate",
        optimizer=_one_cycle_sgd(peak=0.4),  # chosen, as the weight decay, on held-out training images
        batch_size=128,
        weight_decay=1e-4,
        augment=True,
        epochs=30,
        source="Smith & Topin, Super-Convergence (2018)",
    ),
)
PROTOCOLS = {record.name: record for record in _RECORDS}


def protocol(name: str) -> Protocol:
    """Return the protocol of that name.

    Raises:
        ResbenchError: There is none.
    """
    if name not in PROTOCOLS:
        raise ResbenchError(f"unknown protocol {name!r}; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
