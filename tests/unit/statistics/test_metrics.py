"""Metrics of probabilities: values worked out by hand, and what they must be at the ends of their range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from resbench.statistics.metrics import agreement, brier_score, calibration_error, cross_entropy


def sure(confidence, classes=4):
    """Rows that give the first class each of these probabilities and share the rest among the others."""
    return np.array([[c, *[(1 - c) / (classes - 1)] * (classes - 1)] for c in confidence], np.float32)


def test_the_calibration_error_is_the_mean_gap_of_the_bins():
    # 0.81 and 0.85 lie in the bin (0.8, 0.867]: mean confidence 0.83, accuracy 0.5; 0.99 in the last: gap 0.01.
    probabilities, labels = sure([0.81, 0.85, 0.99, 0.99]), np.array([0, 1, 0, 0], np.uint8)
    assert calibration_error(probabilities, labels) == pytest.approx((2 * 0.33 + 2 * 0.01) / 4, abs=1e-6)


def test_gaps_of_one_bin_cancel_and_those_of_two_do_not():
    """Too sure by as much as too unsure: within a bin that is calibrated, across bins it is not."""
    labels = np.array([0, 0, 0, 1], np.uint8)
    assert calibration_error(sure([0.75, 0.75, 0.75, 0.75]), labels) == pytest.approx(0, abs=1e-6)
    assert calibration_error(sure([0.55, 0.55, 0.95, 0.95]), labels) == pytest.approx((0.45 + 0.45) / 2, abs=1e-6)


def test_a_bin_includes_its_upper_end():
    """Certain and wrong, nearly certain and right: both are in the last bin."""
    assert calibration_error(sure([1.0, 0.95]), np.array([1, 0], np.uint8)) == pytest.approx((1.0 - 0.05) / 2)


def test_a_confident_mistake_stays_finite():
    assert cross_entropy(sure([1.0]), np.array([1], np.uint8)) == pytest.approx(-np.log(1e-7))


def test_agreement_is_of_classes_and_of_the_probability_that_differs_most():
    first, second = np.array([[0.5, 0.3, 0.2]], np.float32), np.array([[0.9, 0.05, 0.05]], np.float32)
    assert agreement(first, second) == agreement(second, first) == (1.0, pytest.approx(0.4))


def test_the_brier_score_by_hand_and_at_its_ends():
    labels = np.array([0, 1], np.uint8)
    assert brier_score(sure([0.7, 0.7]), labels) == pytest.approx(
        ((0.3**2 + 3 * 0.1**2) + (0.7**2 + 0.9**2 + 2 * 0.1**2)) / 2, abs=1e-6
    )
    certain = np.eye(4, dtype=np.float32)[[0, 0]]
    assert brier_score(certain, np.array([0, 0], np.uint8)) == 0
    assert brier_score(certain, np.array([1, 2], np.uint8)) == 2
    assert calibration_error(certain, np.array([0, 0], np.uint8)) == 0
    assert calibration_error(certain, np.array([1, 2], np.uint8)) == 1


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.floats(0.1, 20))
def test_scores_stay_in_their_range_and_do_not_depend_on_the_order(seed, classes, scale):
    random = np.random.default_rng(seed)
    logits = random.normal(0, scale, (50, classes))
    probabilities = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    labels = random.integers(0, classes, 50).astype(np.uint8)
    order = random.permutation(50)
    for metric, most in ((calibration_error, 1), (brier_score, 2), (cross_entropy, np.inf)):
        value = metric(probabilities, labels)
        assert 0 <= value <= most
        assert metric(probabilities[order], labels[order]) == pytest.approx(value, rel=1e-6, abs=1e-9)


def test_a_calibrated_model_has_a_small_error_and_the_best_brier_score():
    """Truth drawn from the model's own probabilities; made surer, the model gets worse by both."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1, (20_000, 5))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > random.random((20_000, 1))).argmax(axis=1).astype(np.uint8)
    surer = true**3 / (true**3).sum(axis=1, keepdims=True)
    right, wrong = true.astype(np.float32), surer.astype(np.float32)
    assert calibration_error(right, labels) < 0.015
    assert calibration_error(wrong, labels) > 0.1
    assert brier_score(right, labels) < brier_score(wrong, labels)
