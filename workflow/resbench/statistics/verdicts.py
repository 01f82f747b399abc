"""What a comparison of two models shows, as a code; prose is written where it is shown."""

from enum import StrEnum

from resbench.statistics.intervals import LEVEL

ACCURACY_MARGIN = 0.01  # accuracies that differ by less than this fraction are equivalent
LATENCY_MARGIN = 0.05  # latencies whose ratio lies within [1 / 1.05, 1.05] are equivalent


class Verdict(StrEnum):
    """What is shown of the first model against the second.

    Attributes:
        BETTER: It is more accurate, or faster.
        WORSE: It is less accurate, or slower.
        EQUIVALENT: The difference lies within the equivalence margin.
        UNDECIDED: None of these is shown: the models may or may not differ.
        NOT_COMPARABLE: The two must not be compared; a reason says why.
    """

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    NOT_COMPARABLE = "not_comparable"


def judge(gain: float, p_value: float, p_equivalence: float) -> Verdict:
    """Return what two tests show together.

    Equivalence comes first: a difference that is real, but smaller than the margin, does not matter.

    Args:
        gain: Any number that is positive where the first model is the better one.
        p_value: P-value of the hypothesis that the models do not differ.
        p_equivalence: P-value of the hypothesis that they differ by the margin or more.

    Returns:
        The verdict on the first model.
    """
    if p_equivalence < LEVEL:
        return Verdict.EQUIVALENT
    if p_value < LEVEL:
        return Verdict.BETTER if gain > 0 else Verdict.WORSE
    return Verdict.UNDECIDED
