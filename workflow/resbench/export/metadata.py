"""Facts that a deployer needs, kept inside the model's file; ONNX keeps texts, so the rest is JSON."""

import json
from typing import Any

from onnx import ModelProto, helper


def write_metadata(model: ModelProto, facts: dict[str, Any]) -> None:
    """Replace what the model holds."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
    helper.set_model_props(model, texts)


def read_metadata(model: ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}
