"""Published figures: when a run may be held against them."""

from resbench.data.datasets import titled
from resbench.report.inputs import Parity
from resbench.training.protocols import PROTOCOLS

NOTEBOOK, HE_2015 = PROTOCOLS["notebook"], PROTOCOLS["he2015"]


def departure(export: Parity, dataset: str) -> str | None:
    """What sets a run apart from the one whose accuracy was published, in words; None where nothing does.

    The notebook published accuracy and loss; He et al. (2015, 2016) error rates alone.
    """
    if not titled(dataset).has_references:
        return "other images than CIFAR-10's"
    run = HE_2015 if export.published_loss is None else NOTEBOOK
    if export.protocol != run.name:
        return f"the protocol {export.protocol} instead of {run.name}"
    for name, words in {
        "train_images": f"{export.train_images:,} training images instead of {run.train_images:,}",
        "epochs": f"{export.epochs} epochs instead of {run.epochs}",
        "batch_size": f"batches of {export.batch_size} instead of {run.batch_size}",
    }.items():
        if getattr(export, name) != getattr(run, name):
            return words
    return None
