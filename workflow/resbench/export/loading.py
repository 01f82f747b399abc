"""Loading of a trained network from its .keras file."""

import inspect
from pathlib import Path
from typing import Any

import keras

from resbench.common.errors import ResbenchError, one_line
from resbench.networks.registry import variant

REASON = "Exception encountered:"  # Keras's long messages give the cause after it


def load_model(model_path: Path, name: str) -> keras.Model:
    """Load a network that may have layers and functions of its variant's own, registered with Keras or not.

    Args:
        model_path: A .keras file.
        name: Name of the variant, whose file is imported first.

    Returns:
        The network.

    Raises:
        ResbenchError: The variant's file is missing or broken, or Keras cannot load the model.
    """
    own = vars(variant(name))
    objects: dict[str, Any] = {key: value for key, value in own.items() if _is_a_part(value)}
    try:
        return keras.models.load_model(model_path, compile=False, custom_objects=objects)
    except Exception as error:  # Keras raises whatever a damaged or unusual part raises
        reason = str(error).rpartition(REASON)[2].strip()
        cause = one_line(ValueError(reason)) if reason else one_line(error)
        raise ResbenchError(
            f"{model_path}: Keras cannot load it ({cause}); a layer of your own whose constructor takes arguments "
            "needs get_config(), which returns them; if the file is damaged, train it again"
        ) from error


def _is_a_part(value: object) -> bool:
    """Return whether a network's configuration may name this: a layer, or a function such as an activation."""
    return inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, keras.Layer))
