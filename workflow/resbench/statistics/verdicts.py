"""What a comparison of two models shows, as a code: the numbers stand beside it, the prose is written where it is shown."""

from enum import StrEnum


class Verdict(StrEnum):
    """What is shown of the first against the second.

    Attributes:
        BETTER: It is more accurate, or faster.
        WORSE: It is less accurate, or slower.
        EQUIVALENT: The difference lies within the equivalence margin.
        UNDECIDED: None of these is shown: the models may differ, and they may not.
        NOT_COMPARABLE: The two may not be held against each other; a reason says why.
    """

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    NOT_COMPARABLE = "not_comparable"
