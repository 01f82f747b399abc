"""The variants there are: a file in variants/ is one, registered by being there."""

import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import keras

from resbench.common.errors import ResbenchError, one_line
from resbench.common.variants import variant_file, variant_names
from resbench.networks import variants
from resbench.networks.references import Reference


def variant(name: str) -> ModuleType:
    """Return the variant's module: `build(classes)`, and optionally REFERENCE, a `Reference`.

    A variant in a folder of the user's own may import what lies beside it there.

    Raises:
        ResbenchError: There is no variant of that name, or its file cannot be imported or has no `build`.
    """
    file = variant_file(name)
    folder = str(file.parent)
    if folder not in variants.__path__:
        variants.__path__.append(folder)
        sys.path.append(folder)
    try:
        module = importlib.import_module(f"resbench.networks.variants.{name}")
    except SyntaxError as error:
        raise ResbenchError(f"{error.filename}: line {error.lineno} is no Python ({error.msg}); correct it") from error
    except Exception as error:  # whatever the file does
        raise ResbenchError(f"{file}: cannot be imported ({describe_error(error, file)}); correct it") from error
    if not callable(getattr(module, "build", None)):
        raise ResbenchError(f"{file}: has no function build(classes); write one that returns a keras.Model")
    return module


def describe_error(error: Exception, file: Path) -> str:
    """Return an error's kind and message, and the last line of the file that it passed."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    place = f"line {lines[-1]}: " if lines else ""
    return f"{place}{type(error).__name__}: {one_line(error)}"


def reference(name: str) -> Reference | None:
    """Return the published figures of a variant, None where nobody published any.

    Raises:
        ResbenchError: there is no variant of that name.
    """
    found: Reference | None = getattr(variant(name), "REFERENCE", None)
    return found


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one image's forward pass in convolutions and dense layers.

    Counted as He et al. (2015) do: additions, normalisation and activations are left out.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            _, height, width, _ = layer.output.shape
            total += height * width * layer.kernel.shape.num_elements()
        elif isinstance(layer, keras.layers.Dense):
            total += layer.kernel.shape.num_elements()
    return total


def parameters(model: keras.Model) -> int:
    """Trained values; the running statistics of batch normalisation are not among them."""
    return sum(weight.shape.num_elements() for weight in model.trainable_weights)


def describe_variants() -> Iterator[str]:
    """A header and a line for each variant, for a terminal."""
    yield f"{'variant':<16}{'parameters':>12}{'multiply-adds':>16}{'published accuracy':>20}"
    for name in variant_names():
        module = variant(name)
        if not hasattr(module, "build"):  # a module in the user's folder that variants import
            continue
        model = module.build(10)
        published = reference(name)
        shown = f"{published.accuracy:.4f}" if published else "-"
        yield f"{name:<16}{parameters(model):>12,}{multiply_adds(model):>16,}{shown:>20}"
