"""Published figures, and when a run can be compared with them."""

from enum import StrEnum
from typing import NamedTuple

from resbench.data.datasets import DATASETS, titled
from resbench.report.inputs import Parity
from resbench.training.protocols import PROTOCOLS

TARGET = "target"  # the kind of a reference that is a value to reach, whatever the training


class Reason(StrEnum):
    """Why a comparison has no verdict.

    Attributes:
        DATASET: The published figure is of other images.
        PROTOCOL: The networks were trained by another protocol than the published one.
        TRAIN_IMAGES: They saw another number of training images than the protocol's full run.
        EPOCHS: They were trained for another number of epochs.
        BATCH_SIZE: They were trained in batches of another size.
        FEW_ROUNDS: Too few rounds were timed for an interval.
        SEEDS: One network has one seed, the other several.
    """

    DATASET = "dataset"
    PROTOCOL = "protocol"
    TRAIN_IMAGES = "train_images"
    EPOCHS = "epochs"
    BATCH_SIZE = "batch_size"
    FEW_ROUNDS = "few_rounds"
    SEEDS = "seeds"


class Departure(NamedTuple):
    """How a run differs from what a comparison requires, as written in comparisons.csv.

    Attributes:
        reason: What differs.
        actual: Its value in the run.
        required: Its required value.
    """

    reason: Reason
    actual: str
    required: str


def departure(export: Parity, dataset: str) -> Departure | None:
    """Return how a run differs from the one whose accuracy was published.

    A published result is of one protocol's full run; a target applies whatever the training.

    Args:
        export: The run, with the published figures of its variant.
        dataset: Name of the images in report.csv.

    Returns:
        The difference; None where there is none.
    """
    if not titled(dataset).has_references:
        measured_on = " or ".join(record.title for record in DATASETS.values() if record.has_references)
        return Departure(Reason.DATASET, dataset, measured_on)
    if export.published_kind == TARGET:
        return None
    if export.published_protocol not in PROTOCOLS or export.protocol != export.published_protocol:
        return Departure(
            Reason.PROTOCOL, export.protocol, export.published_protocol or "one that resbench does not have"
        )
    full = PROTOCOLS[export.published_protocol]
    for reason in (Reason.TRAIN_IMAGES, Reason.EPOCHS, Reason.BATCH_SIZE):
        actual, required = getattr(export, reason), getattr(full, reason)
        if actual != required:
            return Departure(reason, str(actual), str(required))
    return None
