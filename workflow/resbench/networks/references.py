"""Published figures that a variant's results may be compared with."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Reference:
    """A published figure for one variant on CIFAR-10, as `REFERENCE` in the variant's file.

    Attributes:
        accuracy: published top-1 test accuracy, a fraction.
        loss: published test loss (cross-entropy, nats); None where the source gives none.
        protocol: name of the training protocol that the source used; None where it is none of this suite's, so that
            no run of this suite repeats it.
        source: publication and place in it.
        kind: `result`, what the source measured; or `target`, a value that the source asks others to reach.
    """

    accuracy: float
    loss: float | None
    protocol: str | None
    source: str
    kind: Literal["result", "target"] = "result"
