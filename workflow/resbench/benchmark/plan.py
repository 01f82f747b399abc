"""The plan of a latency measurement: everything that can be refused is refused here, before the first process."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from resbench import IMAGE_SHAPE
from resbench.benchmark.predictions import load_predictions
from resbench.benchmark.presets import LATENCY_PRESETS
from resbench.common.errors import ResbenchError
from resbench.common.files import sha256
from resbench.data.store import Split, load_split
from resbench.runtime.providers import BASE_PROVIDER, PROVIDERS, Provider
from resbench.runtime.sessions import Identity, Probabilities, check_provider, identify, open_session

Item = TypeVar("Item", bound=np.generic)

# Different inputs in turn: a single one would stay in the caches, unlike in a deployment.
INPUTS = 8


class TimedSetting(NamedTuple):
    """One thing that is timed, once in every round."""

    model: Path
    batch_size: int
    threads: int


@dataclass(frozen=True)
class LatencyRequest:
    """How a caller wants latency to be measured, whatever the models.

    Attributes:
        provider: A name in `PROVIDERS`.
        batch_sizes: Images in one call.
        threads: Threads that one call may use.
        preset: A key of LATENCY_PRESETS.
        rounds: Fresh processes for each model and setting; None takes the preset's number.
        options: Options of the provider, by the runtime's names.
    """

    provider: str
    batch_sizes: Sequence[int]
    threads: Sequence[int]
    preset: str = "quick"
    rounds: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A measurement that can start.

    Attributes:
        identities: What each model says it is, in the order given.
        hashes: The SHA-256 of each model's file.
        provider: Where they run.
        options: The provider's options that were asked for, by the runtime's names.
        settings: Every model at every batch size and thread count.
        preset: The preset's name.
        rounds: Fresh processes for each setting.
        calls: The fewest calls that each process times.
        seconds: The shortest time that each process times calls for.
        images: What they are timed on, uint8 (N, 32, 32, 3).
        real: Whether these are images instead of random pixels.
        expected: The stored predictions of each model, float32 (N, C); empty where none were given.
    """

    identities: dict[Path, Identity]
    hashes: dict[Path, str]
    provider: Provider
    options: dict[str, str]
    settings: list[TimedSetting]
    preset: str
    rounds: int
    calls: int
    seconds: float
    images: NDArray[np.uint8]
    real: bool
    expected: dict[Path, Probabilities]

    def most_threads(self) -> int:
        """Return the largest thread count of any setting.

        Returns:
            The number.
        """
        return max(setting.threads for setting in self.settings)

    def fingerprint(self) -> dict[str, Any]:
        """Return what two measurements must share for their rounds to belong together.

        Returns:
            Values that JSON can hold.
        """
        largest = max(setting.batch_size for setting in self.settings)
        return {
            "models": list(self.hashes.values()),
            "images": hashlib.sha256(rotate(self.images, largest).tobytes()).hexdigest(),
            "provider": [self.provider.name, self.options],
            "settings": [[setting.batch_size, setting.threads] for setting in self.settings],
            "effort": [self.calls, self.seconds],
        }


def plan_latency(
    models: list[Path], request: LatencyRequest, *, data: Path | None = None, predictions: Sequence[Path] = ()
) -> Plan:
    """Check everything that a measurement needs and lay out its settings.

    Args:
        models: .onnx files that differ in variant, seed or precision.
        request: How they are measured.
        data: .npz file whose first images are timed on; None takes random pixels.
        predictions: What `evaluate` wrote for each model on `data`; without them outputs need only be probabilities.

    Returns:
        The plan.

    Raises:
        ResbenchError: The provider or an option is not available, a model or a file is bad, or two models are the same.
    """
    check_provider(request.provider, request.options)
    identities = identify_all(models)
    hashes = {model: sha256(model) for model in models}
    split = load_split(data) if data else None
    effort = LATENCY_PRESETS[request.preset]
    rounds = request.rounds or effort.rounds
    return Plan(
        identities=identities,
        hashes=hashes,
        provider=PROVIDERS[request.provider],
        options=dict(request.options),
        settings=[TimedSetting(*combination) for combination in product(models, request.batch_sizes, request.threads)],
        preset=request.preset,
        rounds=rounds,
        calls=math.ceil(effort.calls / rounds),
        seconds=effort.seconds,
        images=split.images if split else random_images(),
        real=split is not None,
        expected=_match_predictions(predictions, hashes, request.provider, split),
    )


def identify_all(models: list[Path]) -> dict[Path, Identity]:
    """Check every model before the first is timed, on the CPU, so that this process takes no GPU memory.

    Args:
        models: .onnx files.

    Returns:
        What each model is.

    Raises:
        ResbenchError: A file is not a model of this kind, or two are the same model.
    """
    owners: dict[Identity, Path] = {}
    for model in models:
        identity = identify(open_session(model, BASE_PROVIDER.name, 1), model)._replace(classes=())
        if identity in owners:
            raise ResbenchError(
                f"{model}: same variant, seed and precision as {owners[identity]} "
                f"({identity.variant}, {identity.seed}, {identity.precision}); time each model once"
            )
        owners[identity] = model
    return {model: identity for identity, model in owners.items()}


def random_images() -> NDArray[np.uint8]:
    """Return the images that models are measured on where no data is given.

    Returns:
        Random pixels, uint8 (256, 32, 32, 3), the same in every call.
    """
    return np.random.default_rng(0).integers(0, 256, (256, *IMAGE_SHAPE), np.uint8)


def rotate(items: NDArray[Item], batch_size: int) -> NDArray[Item]:
    """Return INPUTS batches of the items in turn, which are repeated where there are too few.

    Args:
        items: (N, ...).
        batch_size: Items in a batch.

    Returns:
        (INPUTS, batch_size, ...).
    """
    return items[np.arange(INPUTS * batch_size) % len(items)].reshape(INPUTS, batch_size, *items.shape[1:])


def _match_predictions(
    paths: Sequence[Path], hashes: dict[Path, str], provider: str, split: Split | None
) -> dict[Path, Probabilities]:
    """Return the stored predictions of each model, float32 (N, C); empty where none are given.

    Raises:
        ResbenchError: A file is of no model here, of another provider or of other images, or a model has none.
    """
    owners = {digest: model for model, digest in hashes.items()}
    expected: dict[Path, Probabilities] = {}
    for path in paths:
        stored = load_predictions(path)
        model = owners.get(stored.model_sha256)
        if model is None:
            raise ResbenchError(f"{path}: of none of these models, or of an older file; evaluate again")
        if stored.provider != provider:
            raise ResbenchError(f"{path}: made on {stored.provider}, not on {provider}; evaluate it there")
        if split is None or not np.array_equal(stored.labels, split.labels):
            raise ResbenchError(f"{path}: of other images than --data; name the file it was evaluated on")
        expected[model] = stored.probabilities
    for model in hashes:
        if paths and model not in expected:
            raise ResbenchError(f"{model}: none of the --predictions are of it; evaluate it, or give none")
    return expected
