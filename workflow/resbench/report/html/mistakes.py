"""Mistakes of the models: by class, and by image."""

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
    """Images of one class that were predicted as another.

    Attributes:
        true: The true class.
        taken: The predicted class.
        share: Their share of the images of the true class.
        examples: Indices of those with the highest probability.
    """

    true: int
    taken: int
    share: float
    examples: list[int]


class Mistake(NamedTuple):
    """An image that no model gets right.

    Attributes:
        image: Its index.
        true: Its true class.
        taken: The wrong class with the highest mean probability.
        probability: That probability.
    """

    image: int
    true: int
    taken: int
    probability: float


def confusion_matrix(predictions: Sequence[Predictions]) -> Counts:
    """Count images by true class (row) and predicted class (column), summed over models.

    Args:
        predictions: Predictions of the models.

    Returns:
        int64 (C, C).
    """
    classes = predictions[0].probabilities.shape[1]
    counts = np.zeros((classes, classes), np.int64)
    for one in predictions:
        np.add.at(counts, (one.labels, one.probabilities.argmax(axis=1)), 1)
    return counts


def confusions(predictions: Sequence[Predictions], *, pairs: int, examples: int) -> list[Confusion]:
    """Return the pairs of classes that are confused most, by their share of the true class.

    Args:
        predictions: Predictions of the models.
        pairs: The most pairs.
        examples: The most images of each.

    Returns:
        The pairs, with the images that were mistaken with the highest probability.
    """
    counts = confusion_matrix(predictions)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    np.fill_diagonal(shares, 0)
    worst = [tuple(divmod(int(n), len(counts))) for n in shares.argsort(axis=None, kind="stable")[::-1][:pairs]]
    mean = np.mean([one.probabilities for one in predictions], axis=0)
    labels = predictions[0].labels
    listed = []
    for true, taken in worst:
        if shares[true, taken] > 0:
            images = np.flatnonzero((labels == true) & (mean.argmax(axis=1) == taken))
            most_confident = images[mean[images, taken].argsort(kind="stable")[::-1][:examples]]
            listed.append(Confusion(true, taken, float(shares[true, taken]), most_confident.tolist()))
    return listed


def wrong_everywhere(predictions: Sequence[Predictions]) -> list[Mistake]:
    """Return the images that every model gets wrong.

    Args:
        predictions: Predictions of the models.

    Returns:
        The images, those with the highest probability of a wrong class first.
    """
    labels = predictions[0].labels
    wrong = ~np.any([one.correct for one in predictions], axis=0)
    mean = np.mean([one.probabilities[wrong] for one in predictions], axis=0)
    mistakes = [
        Mistake(int(index), int(labels[index]), int(row.argmax()), float(row.max()))
        for index, row in zip(np.flatnonzero(wrong), _without(mean, labels[wrong]), strict=True)
    ]
    return sorted(mistakes, key=lambda mistake: -mistake.probability)


def data_uri(image: NDArray[np.uint8]) -> str:
    """Return an image as a PNG within the page itself.

    Args:
        image: uint8 (H, W, 3).

    Returns:
        A data URI.
    """
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _without(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return probabilities, float32 (N, C), with 0 for each row's true class."""
    rest = probabilities.copy()
    rest[np.arange(len(labels)), labels] = 0
    return rest
