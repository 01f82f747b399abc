"""SGD with a stepped learning rate, as He et al. (2015) train on CIFAR-10."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resbench.training.protocol import Protocol

if TYPE_CHECKING:
    import keras


def optimizer(steps: int, warm_up: bool) -> keras.Optimizer:
    """Return SGD at learning rate 0.1, divided by 10 at half and at three quarters of the run.

    Args:
        steps: Steps of the run; the published one has 64,000.
        warm_up: Whether to begin at 0.01, for 1/160 of the run: 400 of 64,000 steps.

    Returns:
        The optimiser.
    """
    import keras

    boundaries, values = [steps // 2, steps * 3 // 4], [0.1, 0.01, 0.001]
    if warm_up:
        boundaries, values = [max(1, steps // 160), *boundaries], [0.01, *values]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
    return keras.optimizers.SGD(schedule, momentum=0.9)


PROTOCOL = Protocol(
    name="he2015",
    title="SGD, learning rate divided by 10 at 1/2 and 3/4 of the run",
    optimizer=optimizer,
    batch_size=128,
    weight_decay=1e-4,
    augment=True,
    epochs=164,  # 64,000 steps of 128 images are 163.7 epochs of 50,000
    source="He et al., Deep Residual Learning for Image Recognition (2015), §4.2",
)
