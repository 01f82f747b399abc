"""Mistakes: counted exactly, and the pictures are the right ones."""

import base64
import io

import numpy as np
from PIL import Image
from resbench.benchmark.predictions import Predictions
from resbench.report.html import figures
from resbench.report.html.mistakes import confusion_matrix, confusions, data_uri, wrong_everywhere

LABELS = np.array([0, 0, 0, 1, 1, 2], np.uint8)


def model(named, sure):
    """Names `named` with probability `sure`; the rest goes to the others evenly."""
    sure = np.asarray(sure, np.float32)
    probabilities = np.repeat((1 - sure)[:, None] / 2, 3, axis=1)
    probabilities[np.arange(len(LABELS)), named] = sure
    return Predictions(probabilities, LABELS, 1, "v", "0", "fp32", "cpu", "")


ONE = model([0, 1, 1, 1, 2, 0], [0.9, 0.6, 0.8, 0.9, 0.7, 0.9])
TWO = model([0, 1, 1, 1, 1, 1], [0.9, 0.5, 0.9, 0.9, 0.9, 0.6])


def test_the_matrix_counts_true_by_named_over_all_models():
    assert confusion_matrix([ONE]).tolist() == [[1, 2, 0], [0, 1, 1], [1, 0, 0]]
    assert confusion_matrix([ONE, TWO]).sum() == 12


def test_pairs_come_by_their_share_with_the_surest_images():
    found = confusions([ONE], pairs=2, examples=1)
    assert [(pair.true, pair.taken, pair.share) for pair in found] == [(2, 0, 1.0), (0, 1, 2 / 3)]
    assert [pair.examples for pair in found] == [[5], [2]]
    assert len(confusions([ONE], pairs=9, examples=9)) == 3  # no pair without a mistake


def test_wrong_everywhere_means_every_model_and_names_what_is_said_most():
    found = wrong_everywhere([ONE, TWO])
    assert [mistake.image for mistake in found] == [2, 1, 5]
    assert [(mistake.true, mistake.taken) for mistake in found] == [(0, 1), (0, 1), (2, 0)]
    assert np.isclose(found[0].probability, 0.85)
    assert wrong_everywhere([model(LABELS, [0.9] * 6)]) == []


def test_a_picture_survives_its_way_into_the_page():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    head, body = data_uri(image).split(",")
    assert head == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(body)))), image)


def test_a_matrix_of_256_classes_can_be_drawn_and_keeps_every_class():
    counts = np.eye(256, dtype=np.int64)
    counts[:, 7] += 1
    spec = figures.confusion(counts, [f"class {number}" for number in range(256)])
    (rows,) = spec["datasets"].values()
    assert len(rows) == 511
    assert len(spec["layer"][0]["encoding"]["x"]["scale"]["domain"]) == 256
