"""SGD with one cycle of the learning rate: a good accuracy in a short run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resbench.training.protocol import Protocol

if TYPE_CHECKING:
    import keras


PEAK = 0.4  # highest learning rate; chosen, as the weight decay, on held-out training images


def optimizer(steps: int, warm_up: bool) -> keras.Optimizer:
    """Return SGD with Nesterov momentum and one cycle of the learning rate up to PEAK.

    Args:
        steps: Steps of the run, which the cycle spans.
        warm_up: Whether the network needs a warm-up; unused, since the cycle begins with one.

    Returns:
        The optimiser.
    """
    import keras

    from resbench.training.schedules import OneCycle

    return keras.optimizers.SGD(OneCycle(PEAK, steps), momentum=0.9, nesterov=True)


PROTOCOL = Protocol(
    name="onecycle",
    title="SGD, one linear cycle of the learning rate",
    optimizer=optimizer,
    batch_size=128,
    weight_decay=1e-4,
    augment=True,
    epochs=30,
    source="Smith & Topin, Super-Convergence (2018)",
)
