"""What a data set's name says."""

import re


def is_cifar10(dataset: str) -> bool:
    """Whether the name begins with CIFAR-10, and not with one of its relatives, CIFAR-100 or CIFAR-10.1."""
    return re.match(r"CIFAR-10(?![\w.-])", dataset) is not None
