"""The variants there are: a file in variants/ is one, registered by being there."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import keras

from resbench.common.variants import variant_file, variant_names
from resbench.networks import variants
from resbench.networks.references import Reference


def variant(name: str) -> ModuleType:
    """Return the variant's module: `build(classes)`, and optionally REFERENCE, a `Reference`.

    A variant in a folder of the user's own may import what lies beside it there.

    Raises:
        ResbenchError: There is no variant of that name.
    """
    folder = str(variant_file(name).parent)
    if folder not in variants.__path__:
        variants.__path__.append(folder)
        sys.path.append(folder)
    return importlib.import_module(f"resbench.networks.variants.{name}")


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
