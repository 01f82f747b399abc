"""What the models get wrong: by class, and on which images."""

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resbench.benchmark.predictions import Predictions

Counts = NDArray[np.int64]


class Confusion(NamedTuple):
    """Images of class `true` that were taken for `taken`: their share of that class, and the surest ones' indices."""

    true: int
    taken: int
    share: float
    examples: list[int]


class Mistake(NamedTuple):
    """An image that no model gets right: the wrong class with the highest mean probability, and that."""

    image: int
    true: int
    taken: int
    probability: float


def confusion_matrix(answers: Sequence[Predictions]) -> Counts:
    """Counts, int64 (C, C), of true class (row) and named class (column), summed over the models given."""
    classes = answers[0].probabilities.shape[1]
    counts = np.zeros((classes, classes), np.int64)
    for answer in answers:
        np.add.at(counts, (answer.labels, answer.probabilities.argmax(axis=1)), 1)
    return counts


def confusions(answers: Sequence[Predictions], *, pairs: int, examples: int) -> list[Confusion]:
    """The pairs of classes confused most, by their share of the true class, with the images most surely mistaken."""
    counts = confusion_matrix(answers)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    np.fill_diagonal(shares, 0)
    worst = [tuple(divmod(int(n), len(counts))) for n in shares.argsort(axis=None, kind="stable")[::-1][:pairs]]
    mean = np.mean([answer.probabilities for answer in answers], axis=0)
    labels = answers[0].labels
    found = []
    for true, taken in worst:
        if shares[true, taken] > 0:
            images = np.flatnonzero((labels == true) & (mean.argmax(axis=1) == taken))
            surest = images[mean[images, taken].argsort(kind="stable")[::-1][:examples]]
            found.append(Confusion(true, taken, float(shares[true, taken]), surest.tolist()))
    return found


def wrong_everywhere(answers: Sequence[Predictions]) -> list[Mistake]:
    """The images that every model gets wrong, the most surely mistaken first."""
    labels = answers[0].labels
    wrong = np.all([answer.probabilities.argmax(axis=1) != labels for answer in answers], axis=0)
    mean = np.mean([answer.probabilities[wrong] for answer in answers], axis=0)
    found = [
        Mistake(int(index), int(labels[index]), int(row.argmax()), float(row.max()))
        for index, row in zip(np.flatnonzero(wrong), _without(mean, labels[wrong]), strict=True)
    ]
    return sorted(found, key=lambda mistake: -mistake.probability)


def data_uri(image: NDArray[np.uint8]) -> str:
    """An image, uint8 (H, W, 3), as a PNG inside the page itself."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _without(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`probabilities`, float32 (N, C), with 0 for each row's true class."""
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = 0
    return others
