"""Check that each training history is that of the model in its folder."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from resbench.common.errors import ResbenchError
from resbench.common.files import read_json
from resbench.report.stage_files import read_history
from resbench.training.record import read_record
from resbench.verify.faults import Fault, read

ACCURACY_TOLERANCE = 0.01  # training may use another arithmetic than the export
IMAGES_TOLERANCE = 3  # of a small test set
SPEED_TOLERANCE = 1e-3  # relative


def check_histories(folder: Path) -> Iterator[Fault]:
    """Yield every history that contradicts the record inside its model, or the accuracy that Keras had at the export.

    Args:
        folder: Folder of a finished run.

    Yields:
        The faults.
    """
    for model in sorted(folder.glob("models/*/seed*/model.keras")):
        path = model.with_name("history.csv")
        history, record = read(read_history, path), read(read_record, model)
        if isinstance(history, Fault):
            yield history
        if isinstance(history, Fault) or isinstance(record, Fault):
            continue  # the chain of hashes names the model
        yield from (Fault(path, what) for what in _contradictions(history, record, model))
        parity = folder / "onnx" / model.parent.relative_to(folder / "models") / "parity.json"
        accuracy = history["test_accuracy"].iloc[-1]
        exported, images = _exported(parity)
        if not math.isnan(accuracy) and abs(accuracy - exported) > max(ACCURACY_TOLERANCE, IMAGES_TOLERANCE / images):
            yield Fault(path, f"test_accuracy is {accuracy:g}, but {exported:g} in {parity}")


def _contradictions(history: pd.DataFrame, record: dict[str, Any], model: Path) -> Iterator[str]:
    epochs = history["epoch"].tolist()
    if len(epochs) != record["epochs"] or epochs != list(range(1, len(epochs) + 1)):
        yield f"has {len(epochs)} epochs or another order, but {model} was trained for {record['epochs']}"
    seconds = history["seconds"].sum()
    if not math.isclose(seconds, record["train_seconds"], rel_tol=1e-9):
        yield f"its epochs took {seconds:.6g} s, but {record['train_seconds']:.6g} s in {model}"
    images = history["images_per_second"] * history["seconds"]
    for epoch, count in zip(epochs, images, strict=True):
        if abs(count - record["train_images"]) > SPEED_TOLERANCE * record["train_images"]:
            yield f"epoch {epoch:g} has {count:.6g} images, but {model} was trained on {record['train_images']}"


def _exported(parity: Path) -> tuple[float, int]:
    """Return accuracy and number of test images of the export; NaN where the file does not say."""
    try:
        facts = read_json(parity)
        return float(facts["keras_accuracy"]), max(1, int(facts["test_images"]))
    except (ResbenchError, KeyError, TypeError, ValueError, OverflowError):
        return math.nan, 1
