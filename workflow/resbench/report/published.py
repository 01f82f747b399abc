"""Published figures: when a run may be held against them."""

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
    """

    DATASET = "dataset"
    PROTOCOL = "protocol"
    TRAIN_IMAGES = "train_images"
    EPOCHS = "epochs"
    BATCH_SIZE = "batch_size"
    FEW_ROUNDS = "few_rounds"


class Departure(NamedTuple):
    """What sets a run apart from what is required of it, both as they are written in comparisons.csv."""

    reason: Reason
    found: str
    required: str


def departure(export: Parity, dataset: str) -> Departure | None:
    """Return what sets a run apart from the one whose accuracy was published, None where nothing does.

    A published result is of one protocol's full run; a target applies whatever the training.

    Args:
        export: of the run, with the published figures of its variant.
        dataset: what the images are called in report.csv.
    """
    if not titled(dataset).has_references:
        measured_on = " or ".join(record.title for record in DATASETS.values() if record.has_references)
        return Departure(Reason.DATASET, dataset, measured_on)
    if export.published_kind == TARGET:
        return None
    if export.published_protocol not in PROTOCOLS or export.protocol != export.published_protocol:
        return Departure(Reason.PROTOCOL, export.protocol, export.published_protocol or "none of this suite's")
    full = PROTOCOLS[export.published_protocol]
    for reason in (Reason.TRAIN_IMAGES, Reason.EPOCHS, Reason.BATCH_SIZE):
        found, required = getattr(export, reason), getattr(full, reason)
        if found != required:
            return Departure(reason, str(found), str(required))
    return None
