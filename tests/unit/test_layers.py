"""The packages import one way: each only from those of a lower layer."""

import ast
from pathlib import Path

import pytest
import resbench

PACKAGE = Path(resbench.__file__).parent
LAYERS = (
    {"common", "version"},
    {"data", "networks", "runtime", "statistics"},
    {"stages"},
    {"training"},
    {"benchmark", "export"},
    {"config", "report"},
    {"compare", "deploy"},
    {"verify"},
    {"crate"},
    {"cli"},
    {"__main__"},
)
DATA = {"__init__"}  # constants


def imported(file: Path) -> set[str]:
    """The packages, or modules at the top, that a module imports, in functions as well."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("resbench.")}


def test_every_package_has_a_layer():
    assert {path.stem for path in PACKAGE.iterdir() if path.name != "__pycache__"} - DATA == set().union(*LAYERS)


@pytest.mark.parametrize("layer", range(len(LAYERS)))
def test_a_package_imports_only_from_lower_layers(layer):
    allowed = set().union(*LAYERS[:layer])
    for name in LAYERS[layer]:
        place = PACKAGE / name
        files = list(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
        assert {(str(file), name) for file in files for name in imported(file) - allowed - {place.name}} == set()
