"""The list of all variants."""

from collections.abc import Iterator

from resbench.common.errors import ResbenchError
from resbench.common.variants import variant_file, variant_names
from resbench.networks.contract import build
from resbench.networks.registry import describe_error, imported, multiply_adds, parameters, reference


def describe_variants() -> Iterator[str]:
    """Describe all variants in a table for a terminal; what is wrong with one is said in its line.

    Yields:
        A header, then a line for each variant.
    """
    yield f"{'variant':<16}{'parameters':>12}{'multiply-adds':>16}{'published accuracy':>20}"
    for name in variant_names():
        try:
            if hasattr(imported(name), "build"):  # otherwise it is a module that variants import
                yield _described(name)
        except ResbenchError as error:
            yield f"{name}: {error}"


def _described(name: str) -> str:
    """Return a variant's line of the table."""
    published = reference(name)
    model = build(imported(name), 10)
    try:
        count = multiply_adds(model)
    except Exception as error:  # whatever call() of a layer does
        file = variant_file(name)
        raise ResbenchError(
            f"{file}: its network cannot be run on images ({describe_error(error, file)}); correct it"
        ) from error
    shown = f"{published.accuracy:.4f}" if published else "-"
    return f"{name:<16}{parameters(model):>12,}{count:>16,}{shown:>20}"
