"""Adam at its defaults, as in the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resbench.training.protocol import Protocol

if TYPE_CHECKING:
    import keras


def optimizer(steps: int, warm_up: bool) -> keras.Optimizer:
    """Return Adam at its defaults, whatever the number of steps.

    Args:
        steps: Steps of the run; unused.
        warm_up: Whether the network needs a warm-up; unused.

    Returns:
        The optimiser.
    """
    from resbench.training.adam import FusedAdam

    return FusedAdam()


PROTOCOL = Protocol(
    name="notebook",
    title="Adam at its defaults",
    optimizer=optimizer,
    batch_size=32,
    weight_decay=0.0,
    augment=False,
    epochs=10,
    source="the notebook whose three networks this project reproduces",
)
