"""Metrics of class probabilities against the true classes."""

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 15


def accuracy_and_loss(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> tuple[float, float]:
    """Return top-1 accuracy, the fraction of images whose most probable class is the label, and mean cross-entropy.

    Args:
        probabilities: float32 (N, classes).
        labels: uint8 (N,).

    Returns:
        The accuracy, a fraction, and the cross-entropy in nats.
    """
    accuracy = np.mean(probabilities.argmax(axis=1) == labels)
    return float(accuracy), cross_entropy(probabilities, labels)


def cross_entropy(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Return the mean cross-entropy.

    Probabilities are clipped to 1e-7 as in Keras, so that one confident mistake stays finite.

    Args:
        probabilities: Class probabilities, float32 (N, classes).
        labels: True classes, uint8 (N,).

    Returns:
        Nats.
    """
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(chosen.clip(1e-7, 1 - 1e-7)).mean())


def calibration_error(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Return the expected calibration error (ECE) of the most probable class.

    This is the mean distance between how confident the model is and how often it is right, over 15 bins of equal width,
    each weighted by its number of images (Guo et al., On calibration of modern neural networks, ICML 2017).

    Args:
        probabilities: Class probabilities, float32 (N, classes).
        labels: True classes, uint8 (N,).

    Returns:
        A fraction.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    bins = np.ceil(confidence * CALIBRATION_BINS).clip(1, CALIBRATION_BINS).astype(np.intp) - 1  # (low, high]
    gaps = np.bincount(bins, weights=confidence - right, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def brier_score(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Return the multi-class Brier score, from 0 (certain and right) to 2 (certain and wrong).

    This is the squared distance between the probabilities and the truth, which is 1 for one class and 0 for all others,
    mean over images (Brier, Verification of forecasts expressed in terms of probability, 1950).

    Args:
        probabilities: Class probabilities, float32 (N, classes).
        labels: True classes, uint8 (N,).

    Returns:
        The score.
    """
    distances = probabilities.astype(np.float64)
    distances[np.arange(len(labels)), labels] -= 1
    return float((distances**2).sum(axis=1).mean())


def agreement(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[float, float]:
    """Return how well two models agree on the same images.

    Args:
        first, second: Class probabilities, float32 (N, classes).

    Returns:
        The share of equal classes, a fraction, and the largest difference of a probability.
    """
    same = np.mean(first.argmax(axis=1) == second.argmax(axis=1))
    return float(same), float(np.abs(first - second).max())
