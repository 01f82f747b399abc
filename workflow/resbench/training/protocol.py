"""What a training protocol is; each file in `protocols` holds one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
