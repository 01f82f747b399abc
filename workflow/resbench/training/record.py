"""The record inside a .keras file of how its model was made; read without TensorFlow."""

import json
import zipfile
from pathlib import Path
from typing import Any

from resbench.common.errors import ResbenchError

RECORD = "resbench.json"  # the file's member


def add_record(model_path: Path, record: dict[str, Any]) -> None:
    """Put the record into a model file that Keras wrote."""
    with zipfile.ZipFile(model_path, "a") as archive:
        archive.writestr(RECORD, json.dumps(record))


def read_record(model_path: Path) -> dict[str, Any]:
    """Return how a model was made: the job, its data and its device.

    Raises:
        ResbenchError: The file is not one that `resbench train` wrote.
    """
    try:
        with zipfile.ZipFile(model_path) as archive:
            record: dict[str, Any] = json.loads(archive.read(RECORD))
            return record
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ResbenchError(
            f"{model_path}: not a model that `resbench train` wrote ({error}); train it again"
        ) from error
