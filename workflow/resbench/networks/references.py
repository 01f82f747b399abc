"""Published figures that a variant's results can be compared with."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Reference:
    """A published figure for one variant on CIFAR-10, as `REFERENCE` in the variant's file.

    Attributes:
        accuracy: Published top-1 test accuracy, a fraction.
        loss: Published test loss (cross-entropy, nats); None where the source gives none.
        protocol: Name of the training protocol that the source used; None where resbench does not have it.
        source: Publication and place in it.
        kind: `result`, what the source measured; or `target`, a value that the source requires.
    """

    accuracy: float
    loss: float | None
    protocol: str | None
    source: str
    kind: Literal["result", "target"] = "result"
