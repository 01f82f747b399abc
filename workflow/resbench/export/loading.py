"""Loading of a trained network from its .keras file."""

import inspect
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

from resbench.common.errors import ResbenchError, one_line
from resbench.networks.registry import variant
from resbench.stages import variant_files

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
    try:
        return keras.models.load_model(model_path, compile=False, custom_objects=_own_parts(name))
    except Exception as error:  # Keras raises whatever a damaged or unusual part raises
        reason = str(error).rpartition(REASON)[2].strip()
        cause = one_line(ValueError(reason)) if reason else one_line(error)
        raise ResbenchError(
            f"{model_path}: Keras cannot load it ({cause}); a layer of your own whose constructor takes arguments "
            "needs get_config(), which returns them; if the file is damaged, train it again"
        ) from error


def _own_parts(name: str) -> dict[str, Any]:
    """Return the layers and functions in a variant's file and the modules that it imports, by the name Keras saves."""
    own = variant(name)
    files = {path.resolve() for path in variant_files(name)}
    if not files <= set(_loaded_files().values()):
        with suppress(Exception):  # loading says what is missing
            own.build(10)  # which imports further modules
    modules = [module for module, path in _loaded_files().items() if path in files]
    # The variant's own last: of two parts of one name, its own counts.
    values = [value for module in (*modules, own) for value in vars(module).values() if _is_a_part(value)]
    return {value.__name__: value for value in values}


def _loaded_files() -> dict[ModuleType, Path]:
    """Return the files of the modules that have been imported."""
    paths = {module: getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return {module: Path(path).resolve() for module, path in paths.items() if path}


def _is_a_part(value: object) -> bool:
    """Return whether a network's configuration may name this: a layer, or a function such as an activation."""
    return inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, keras.Layer))
