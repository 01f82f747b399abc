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
    """Load a network that may have classes and functions of its variant's own, registered with Keras or not.

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
            f"{model_path}: Keras cannot load it ({cause}); write classes and functions of your own at the top level "
            "of the variant's file or of a module that it imports, and give a class whose constructor takes arguments "
            "a get_config() that returns them; if the file is damaged, train it again"
        ) from error


def _own_parts(name: str) -> dict[str, Any]:
    """Return the classes and functions of a variant's file and the modules that it imports, by their names."""
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
    """Return whether a network's configuration may name this: a class such as a layer or constraint, or a function.

    Not a function with the name of one of Keras's activations, such as a `relu` that builds a part of the network: of
    these, Keras saves only the name.
    """
    if inspect.isfunction(value):
        of_keras = getattr(keras.activations, value.__name__, None)
        return not (of_keras and of_keras.__name__ == value.__name__)  # `swish` is another name of its `silu`
    return inspect.isclass(value) and hasattr(value, "from_config")
