"""The files that a training job writes: the model, with the record of how it was made, and its history."""

import csv
from pathlib import Path
from typing import Any

import keras

from resbench.common.errors import ResbenchError
from resbench.common.files import atomic, require_writable
from resbench.training.columns import HISTORY_COLUMNS
from resbench.training.record import add_record

History = list[dict[str, float]]  # a row for each epoch done, by HISTORY_COLUMNS


def require_outputs(model_path: Path, history_path: Path, checkpoints_folder: Path | None) -> None:
    """Refuse outputs that could not be written, before a training that may take days.

    Args:
        model_path: Model to write, .keras.
        history_path: History to write, .csv.
        checkpoints_folder: Folder for checkpoints; None for none.

    Raises:
        ResbenchError: One cannot be written.
    """
    if model_path.suffix != ".keras" or model_path.is_dir() or history_path.is_dir():
        raise ResbenchError(f"{model_path}: name a file that ends in .keras, and a file for the history")
    if model_path.resolve() == history_path.resolve():
        raise ResbenchError(f"{history_path}: is the file of the model; name another one for the history")
    for path in filter(None, (model_path, history_path, checkpoints_folder and checkpoints_folder / "checkpoint")):
        require_writable(path)


def write_outputs(
    model: keras.Model, record: dict[str, Any], history: History, model_path: Path, history_path: Path
) -> None:
    """Write the model, with the record of how it was made, and its history: both or neither.

    Args:
        model: The trained model.
        record: How it was made.
        history: Rows, by HISTORY_COLUMNS.
        model_path: File to write, .keras.
        history_path: File to write, .csv.
    """
    with atomic(model_path) as new_model, atomic(history_path) as new_history:
        model.save(new_model)
        add_record(new_model, record)
        with new_history.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, HISTORY_COLUMNS)
            writer.writeheader()
            writer.writerows(history)
