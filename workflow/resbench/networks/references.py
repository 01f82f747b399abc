"""Published figures that a variant's results can be compared with."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["result", "target"]


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
    kind: Kind = "result"

    def __post_init__(self) -> None:
        if not _is_number(self.accuracy) or not 0 < self.accuracy <= 1:
            raise ValueError(f"Reference: accuracy={self.accuracy!r} is not a fraction, such as 0.91")
        if self.loss is not None and not _is_number(self.loss):
            raise ValueError(f"Reference: loss={self.loss!r} is neither a number nor None")
        if not isinstance(self.protocol, str | None) or not isinstance(self.source, str):
            raise ValueError("Reference: protocol and source are texts; protocol may be None")
        if self.kind not in get_args(Kind):
            raise ValueError(f"Reference: kind={self.kind!r} is not one of {', '.join(get_args(Kind))}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
