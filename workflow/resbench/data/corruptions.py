"""Corrupted copies of test images, defined as in CIFAR-10-C, so that robustness needs no download.

The definitions and the five severities of each are those of Hendrycks & Dietterich, "Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations" (ICLR 2019), for images of 32 × 32 pixels.
"""

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resbench.common.errors import ResbenchError
from resbench.data.store import Split

SEVERITIES = range(1, 6)
CHUNK = 1000  # images at a time, which take 25 MB as float64
SEED = 0

Unit = NDArray[np.float64]  # pixels from 0 to 1, (N, 32, 32, 3)


@dataclass(frozen=True)
class Corruption:
    """One way to corrupt images.

    Attributes:
        name: Name in the names of test sets.
        title: Name shown to readers.
        parameters: One for each severity, from 1 to 5.
        apply: Returns corrupted pixels, given pixels, a parameter and a generator; they are clipped to 0 to 1 later.
    """

    name: str
    title: str
    parameters: tuple[float, float, float, float, float]
    apply: Callable[[Unit, float, np.random.Generator], Unit] = field(repr=False)


def _noise(pixels: Unit, deviation: float, generator: np.random.Generator) -> Unit:
    return pixels + generator.normal(scale=deviation, size=pixels.shape)


def _blur(pixels: Unit, sigma: float, generator: np.random.Generator) -> Unit:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(pixels, (0, sigma, sigma, 0), mode="nearest"))


def _jpeg(pixels: Unit, quality: float, generator: np.random.Generator) -> Unit:
    corrupted = np.empty_like(pixels)
    for number, image in enumerate((pixels * 255).round().astype(np.uint8)):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=int(quality))
        with Image.open(stream) as read:
            corrupted[number] = np.asarray(read) / 255
    return corrupted


def _contrast(pixels: Unit, factor: float, generator: np.random.Generator) -> Unit:
    mean = pixels.mean(axis=(1, 2), keepdims=True)
    return (pixels - mean) * factor + mean


def _brightness(pixels: Unit, shift: float, generator: np.random.Generator) -> Unit:
    """Raise V of HSV, which is the largest channel, at the same hue and saturation: all channels in proportion."""
    value = pixels.max(axis=-1, keepdims=True)
    raised = np.clip(value + shift, 0, 1)
    return np.where(value > 0, pixels * raised / np.where(value > 0, value, 1), raised)


_RECORDS = (
    Corruption("gaussian_noise", "Gaussian noise", (0.04, 0.06, 0.08, 0.09, 0.10), _noise),
    Corruption("gaussian_blur", "Gaussian blur", (0.4, 0.6, 0.7, 0.8, 1.0), _blur),
    Corruption("jpeg_compression", "JPEG compression", (80, 65, 58, 50, 40), _jpeg),
    Corruption("contrast", "lower contrast", (0.75, 0.5, 0.4, 0.3, 0.15), _contrast),
    Corruption("brightness", "higher brightness", (0.05, 0.1, 0.15, 0.2, 0.3), _brightness),
)
CORRUPTIONS = {record.name: record for record in _RECORDS}
_NAME = re.compile(rf"({'|'.join(CORRUPTIONS)})-([1-5])")


def corrupted_names(severities: Iterable[int]) -> list[str]:
    """Return the names of the test sets that are corrupted in every way.

    Args:
        severities: Severities, 1 to 5.

    Returns:
        Names such as `contrast-3`.
    """
    return [f"{name}-{severity}" for severity in severities for name in CORRUPTIONS]


def parse_name(test_set: str) -> tuple[Corruption, int] | None:
    """Return the corruption and the severity that the name of a test set stands for.

    Args:
        test_set: The name.

    Returns:
        Both; None where it is not a corrupted copy.
    """
    match = _NAME.fullmatch(test_set)
    return (CORRUPTIONS[match[1]], int(match[2])) if match else None


def corrupt(images: NDArray[np.uint8], corruption: Corruption, severity: int) -> NDArray[np.uint8]:
    """Return corrupted copies of images; the same ones in every call.

    Args:
        images: uint8 (N, 32, 32, 3).
        corruption: A record in `CORRUPTIONS`.
        severity: 1 to 5.

    Returns:
        uint8 (N, 32, 32, 3).

    Raises:
        ResbenchError: The severity is not 1 to 5.
    """
    if severity not in SEVERITIES:
        raise ResbenchError(f"severity {severity}: choose 1 to {len(SEVERITIES)}")
    generator = np.random.default_rng([SEED, severity])
    corrupted = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        pixels = corruption.apply(images[part] / 255, corruption.parameters[severity - 1], generator)
        # The published copies truncate; 1e-9 keeps integers from falling to the next lower one.
        corrupted[part] = (pixels.clip(0, 1) * 255 + 1e-9).astype(np.uint8)
    return corrupted


def corrupt_split(split: Split, test_set: str) -> Split:
    """Return the corrupted copy of a test set.

    Args:
        split: The test set.
        test_set: Name of the copy, such as `contrast-3`.

    Returns:
        The copy, with the same labels.

    Raises:
        ResbenchError: There is no such corruption.
    """
    parsed = parse_name(test_set)
    if parsed is None:
        raise ResbenchError(f"{test_set!r}: not NAME-SEVERITY; choose one of {', '.join(CORRUPTIONS)}, and 1 to 5")
    return Split(corrupt(split.images, *parsed), split.labels, split.classes)
