"""The record in a .keras file of how its model was made; it is read without TensorFlow."""

import json
import zipfile
from pathlib import Path
from typing import Any

from resbench.common.errors import ResbenchError, one_line

RECORD = "resbench.json"  # the file's member
MAX_RECORD = 1 << 20  # bytes
# Keys that every record has, with the types of their values.
NEEDED: dict[str, tuple[type, ...]] = {
    "variant": (str,),
    "protocol": (str,),
    "seed": (int,),
    "epochs": (int,),
    "batch_size": (int,),
    "train_images": (int,),
    "train_seconds": (float, int),
    "classes": (list,),
}


def add_record(model_path: Path, record: dict[str, Any]) -> None:
    """Put the record into a model file that Keras wrote.

    Args:
        model_path: The file, .keras.
        record: Values that JSON can hold.
    """
    with zipfile.ZipFile(model_path, "a") as archive:
        archive.writestr(RECORD, json.dumps(record))


def read_record(model_path: Path) -> dict[str, Any]:
    """Return how a model was made: the job, its data and its device.

    Args:
        model_path: The file, .keras.

    Returns:
        The record.

    Raises:
        ResbenchError: The file is not one that `resbench train` wrote.
    """
    try:
        with zipfile.ZipFile(model_path) as archive:
            if archive.getinfo(RECORD).file_size > MAX_RECORD:
                raise ValueError(f"{RECORD} has more than {MAX_RECORD:,} bytes")
            record = json.loads(archive.read(RECORD))
        if not isinstance(record, dict):
            raise ValueError(f"{RECORD} is not an object")
        wrong = [name for name, kinds in NEEDED.items() if type(record.get(name)) not in kinds]
        if wrong:
            raise ValueError(f"{RECORD} has no valid {wrong[0]!r}")
        return record
    except Exception as error:  # zipfile, zlib and json raise a dozen types on hostile bytes
        raise ResbenchError(
            f"{model_path}: not a model that `resbench train` wrote ({one_line(error)}); train it again"
        ) from error
