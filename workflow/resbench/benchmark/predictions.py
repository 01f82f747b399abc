"""Predictions of a model for a complete test set: writing and reading their file."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import atomic, sha256
from resbench.common.progress import say
from resbench.data.store import load_split
from resbench.runtime.sessions import Probabilities, class_count, identify, open_session, predict
from resbench.statistics.intervals import Hits
from resbench.statistics.metrics import accuracy_and_loss

TEXTS = ("variant", "seed", "precision", "provider", "model_sha256", "test_set")
MAIN_TEST_SET = "test"


class Predictions(NamedTuple):
    """One model's class probabilities for every test image.

    Attributes:
        probabilities: float32 (N, C).
        labels: uint8 (N,), the true classes.
        model_bytes: Size of the .onnx file.
        variant, seed, precision, provider: Which model this was, and where it ran.
        model_sha256: SHA-256 of the .onnx file.
        test_set: Name of the test set's file.
    """

    probabilities: Probabilities
    labels: NDArray[np.uint8]
    model_bytes: int
    variant: str
    seed: str
    precision: str
    provider: str
    model_sha256: str
    test_set: str = MAIN_TEST_SET

    @property
    def correct(self) -> Hits:
        """Return for each image whether its most probable class is the label."""
        return self.probabilities.argmax(axis=1) == self.labels


def evaluate_test_sets(
    model: Path,
    test_sets: list[tuple[Path, Path]],
    provider: str,
    *,
    threads: int | None,
    options: dict[str, str] | None = None,
) -> None:
    """Run a model over all images of each test set and write a `Predictions` file for it.

    Args:
        model: The .onnx file.
        test_sets: Images that a data stage wrote, and the file to write, for each.
        provider: A name in `PROVIDERS`.
        threads: Threads that one call may use; None takes all cores.
        options: Options of the provider, by the runtime's names.

    Raises:
        ResbenchError: See `open_session`, `load_split` and `predict`; or model and data have different classes.
    """
    session = open_session(model, provider, threads, options)
    identity = identify(session, model)
    for data, predictions_path in test_sets:
        split = load_split(data)
        classes = tuple(split.classes.tolist())
        if class_count(session) != len(classes) or identity.classes not in ((), classes):
            raise ResbenchError(f"{model}: its classes are not those of {data}; use the data it was trained for")
        probabilities = predict(session, model, split.images)
        names = (identity.variant, identity.seed, identity.precision, provider, sha256(model), data.stem)
        result = Predictions(probabilities, split.labels, model.stat().st_size, *names)
        save_predictions(predictions_path, result)
        accuracy, loss = accuracy_and_loss(probabilities, split.labels)
        name = " ".join(part for part in (result.variant, f"seed {result.seed}", result.precision) if part)
        where = "" if data.stem == MAIN_TEST_SET else f" of {data.stem}"
        say(f"{name} on {provider}: accuracy {accuracy:.4f}, loss {loss:.4f} over {len(split.labels)} images{where}")


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Write a `Predictions` file, completely or not at all.

    Args:
        path: File to write, .npz.
        predictions: Its content.
    """
    with atomic(path) as temporary, temporary.open("wb") as stream:  # a path would get a suffix
        np.savez(stream, **predictions._asdict())


def load_predictions(path: Path) -> Predictions:
    """Read what `evaluate_test_sets` wrote.

    Args:
        path: The file.

    Returns:
        The predictions.

    Raises:
        ResbenchError: The file is missing, damaged, or holds something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("compressed, which evaluate never writes")  # no decompression bombs
        with np.load(path, allow_pickle=False) as arrays:
            probabilities, labels = arrays["probabilities"], arrays["labels"]
            model_bytes = int(arrays["model_bytes"])
            fields = {key: arrays[key] for key in TEXTS if key in arrays}
            texts = {key: str(text) for key, text in fields.items() if text.shape == () and text.dtype.kind == "U"}
        if probabilities.dtype != np.float32 or labels.dtype != np.uint8:
            raise ValueError("arrays of the wrong type")
        if probabilities.ndim != 2 or not len(labels) or labels.shape != probabilities.shape[:1]:
            raise ValueError("arrays of the wrong shape")
        if labels.max() >= probabilities.shape[1] or not np.isfinite(probabilities).all() or model_bytes < 1:
            raise ValueError("values out of range")
        return Predictions(probabilities, labels, model_bytes, **texts)
    except FileNotFoundError as error:
        raise ResbenchError(f"{path}: no such file; make it with `resbench evaluate`") from error
    except Exception as error:  # zipfile and numpy raise a dozen types on hostile bytes
        raise ResbenchError(
            f"{path}: not a readable predictions file ({one_line(error)}); make it with `resbench evaluate`"
        ) from error
