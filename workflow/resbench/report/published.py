"""Published figures: when a run may be held against them."""

from typing import NamedTuple

from resbench.data.datasets import is_cifar10
from resbench.report.inputs import Parity


class Run(NamedTuple):
    protocol: str
    epochs: int
    batch_size: int
    train_images: int


NOTEBOOK = Run("notebook", 10, 32, 50_000)
HE_2015 = Run("he2015", 164, 128, 50_000)  # 64,000 steps


def departure(export: Parity, dataset: str) -> str | None:
    """What sets a run apart from the one whose accuracy was published, in words; None where nothing does.

    The notebook published accuracy and loss; He et al. (2015, 2016) error rates alone.
    """
    if not is_cifar10(dataset):
        return "other images than CIFAR-10's"
    run = HE_2015 if export.published_loss is None else NOTEBOOK
    for name, words in {
        "protocol": f"the protocol {export.protocol} instead of {run.protocol}",
        "train_images": f"{export.train_images:,} training images instead of {run.train_images:,}",
        "epochs": f"{export.epochs} epochs instead of {run.epochs}",
        "batch_size": f"batches of {export.batch_size} instead of {run.batch_size}",
    }.items():
        if getattr(export, name) != getattr(run, name):
            return words
    return None
