"""Corrupted copies are what Hendrycks & Dietterich define, image by image, and always the same."""

import io

import numpy as np
import pytest
from PIL import Image
from resbench.common.errors import ResbenchError
from resbench.data.corruptions import CORRUPTIONS, SEVERITIES, corrupt, corrupt_split, corrupted_names, parse_name
from resbench.data.store import Split

IMAGES = np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), np.uint8)
# Smooth, so that blur and JPEG have something to lose in proportion.
IMAGES = np.asarray(
    [np.asarray(Image.fromarray(image[:8, :8]).resize((32, 32), Image.Resampling.BICUBIC)) for image in IMAGES]
)


def error(name, severity):
    return np.abs(corrupt(IMAGES, CORRUPTIONS[name], severity).astype(int) - IMAGES).mean()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_higher_severity_corrupts_more(name):
    errors = [error(name, severity) for severity in SEVERITIES]
    assert errors == sorted(errors)
    assert errors[0] > 0.3


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_copies_are_the_same_each_time_and_leave_the_images_alone(name):
    before = IMAGES.copy()
    np.testing.assert_array_equal(corrupt(IMAGES, CORRUPTIONS[name], 3), corrupt(IMAGES, CORRUPTIONS[name], 3))
    np.testing.assert_array_equal(IMAGES, before)


def test_noise_has_its_deviation():
    grey = np.full((200, 32, 32, 3), 128, np.uint8)
    for severity, deviation in zip(SEVERITIES, (0.04, 0.06, 0.08, 0.09, 0.10), strict=True):
        spoilt = corrupt(grey, CORRUPTIONS["gaussian_noise"], severity) / 255
        assert spoilt.std() == pytest.approx(deviation, rel=0.01)
        assert spoilt.mean() == pytest.approx(128 / 255, abs=0.003)  # the fraction is cut off


def cut_off(pixels):
    """Pixels from 0 to 1 as the published copies store them: they are not rounded."""
    return np.floor(pixels.clip(0, 1) * 255 + 1e-9)


def test_contrast_pulls_each_channel_of_an_image_to_its_mean():
    pixels = IMAGES / 255
    mean = pixels.mean(axis=(1, 2), keepdims=True)
    for severity, factor in zip(SEVERITIES, (0.75, 0.5, 0.4, 0.3, 0.15), strict=True):
        spoilt = corrupt(IMAGES, CORRUPTIONS["contrast"], severity)
        np.testing.assert_array_equal(spoilt, cut_off((pixels - mean) * factor + mean))


def test_brightness_raises_the_value_of_hsv():
    import colorsys

    spoilt = corrupt(IMAGES[:1], CORRUPTIONS["brightness"], 4)[0]
    for row, column in ((0, 0), (5, 17), (31, 31)):
        hue, saturation, value = colorsys.rgb_to_hsv(*(IMAGES[0, row, column] / 255))
        expected = np.array(colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.2))) * 255
        np.testing.assert_allclose(spoilt[row, column], expected, atol=1)
    for severity, grey in zip(SEVERITIES, (12, 25, 38, 51, 76), strict=True):
        assert (corrupt(np.zeros((1, 32, 32, 3), np.uint8), CORRUPTIONS["brightness"], severity) == grey).all()


def test_jpeg_is_pillows_at_that_quality():
    for severity, quality in zip(SEVERITIES, (80, 65, 58, 50, 40), strict=True):
        stream = io.BytesIO()
        Image.fromarray(IMAGES[2]).save(stream, "JPEG", quality=quality)
        with Image.open(stream) as read:
            spoilt = corrupt(IMAGES[2:3], CORRUPTIONS["jpeg_compression"], severity)[0]
            np.testing.assert_array_equal(spoilt, np.asarray(read))


def test_blur_keeps_each_image_and_channel_to_itself():
    spot = np.zeros((2, 32, 32, 3), np.uint8)
    spot[0, 16, 16, 1] = 255
    for severity, sigma in zip(SEVERITIES, (0.4, 0.6, 0.7, 0.8, 1.0), strict=True):
        spoilt = corrupt(spot, CORRUPTIONS["gaussian_blur"], severity)
        weights = np.exp(-(np.arange(-8, 9) ** 2) / (2 * sigma**2))
        assert spoilt[0, 16, 16, 1] == pytest.approx(255 * (weights.max() / weights.sum()) ** 2, abs=2)
        assert not spoilt[1].any()
        assert not spoilt[0, :, :, 0].any()


def test_names_say_what_was_done():
    names = corrupted_names([1, 3])
    assert len(names) == 10
    assert [parse_name(name) for name in names[:2]] == [
        (CORRUPTIONS["gaussian_noise"], 1),
        (CORRUPTIONS["gaussian_blur"], 1),
    ]
    assert parse_name("cifar10.1") is parse_name("contrast-6") is None
    split = Split(IMAGES, np.zeros(8, np.uint8), np.array(["a", "b"]))
    assert corrupt_split(split, "contrast-5").labels is split.labels
    with pytest.raises(ResbenchError, match="not NAME-SEVERITY"):
        corrupt_split(split, "fog-3")
    with pytest.raises(ResbenchError, match="severity 6"):
        corrupt(IMAGES, CORRUPTIONS["contrast"], 6)
