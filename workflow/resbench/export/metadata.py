"""Metadata in the model's file, for those who deploy it; ONNX keeps only texts, so other values are JSON."""

import json
from pathlib import Path
from typing import Any

from onnx import ModelProto, helper, load

from resbench.common.errors import ResbenchError, one_line


def read_graph(path: Path) -> ModelProto:
    """Read a model, without files that it names.

    Args:
        path: Its file, .onnx; untrusted.

    Returns:
        The model.

    Raises:
        ResbenchError: It is not an ONNX file.
    """
    try:
        return load(path, load_external_data=False)
    except Exception as error:  # protobuf raises its own types
        raise ResbenchError(f"{path}: not an ONNX file ({one_line(error)}); export the model again") from error


def write_metadata(model: ModelProto, facts: dict[str, Any]) -> None:
    """Replace the metadata of a model.

    Args:
        model: The model.
        facts: Texts, and values that JSON can hold.
    """
    helper.set_model_props(model, metadata_texts(facts))


def metadata_texts(facts: dict[str, Any]) -> dict[str, str]:
    """Return facts as a model's metadata hold them.

    Args:
        facts: Texts, and values that JSON can hold.

    Returns:
        Texts, of which all but texts are JSON.
    """
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}


def read_metadata(model: ModelProto) -> dict[str, str]:
    """Return the metadata of a model.

    Args:
        model: The model.

    Returns:
        Texts, of which all but texts are JSON.
    """
    return {entry.key: entry.value for entry in model.metadata_props}
