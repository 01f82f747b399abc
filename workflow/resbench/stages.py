"""The code that affects each stage's result, as one digest: a stage runs again exactly when its digest changes.

A stage declares in STAGES the modules that do its work. What they import, directly or indirectly, belongs to it, too,
except for the modules in NEUTRAL. A digest depends only on the content of these files: not on their dates, the place of
the checkout or the working directory. Comments, docstrings, layout and the text of errors and progress messages do not
count.
"""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from resbench.common.errors import ResbenchError
from resbench.common.variants import OWN_FOLDER as VARIANTS_FOLDER
from resbench.common.variants import variant_file, variant_folders
from resbench.runtime.backend import BACKENDS
from resbench.runtime.providers import PROVIDERS

PACKAGE = Path(__file__).parent
# Packages of which a stage uses one module at a time: that of the variant, that of the protocol.
NETWORKS = "resbench.networks"
VARIANTS = f"{NETWORKS}.variants"
PROTOCOLS = "resbench.training.protocols"

# Modules that do not affect results: a stage may import them without depending on them.
NEUTRAL = frozenset(
    {
        "resbench.common.checkout",
        "resbench.common.errors",
        "resbench.common.files",
        "resbench.common.memory",
        "resbench.common.progress",
        "resbench.common.system",
        "resbench.common.variants",
        "resbench.networks",  # imports TensorFlow quietly
        "resbench.stages",
        "resbench.training.checkpoints",  # a resumed training gives the same weights as an uninterrupted one
        "resbench.training.devices",  # the device does not belong to the result, as `training.device` does not
        "resbench.version",  # another version of the same code gives the same results
    }
)
MESSAGES = frozenset({"say", "Progress"})  # functions whose arguments are only messages


@dataclass(frozen=True)
class Stage:
    """What a stage's result depends on besides its inputs.

    Attributes:
        modules: Modules that do the work; what they import is included automatically.
        files: Patterns of further files, relative to the package: templates.
        without: Packages of which only the module that is in use counts, which `code_digest` is given by name.
    """

    modules: tuple[str, ...]
    files: tuple[str, ...] = ()
    without: tuple[str, ...] = (NETWORKS,)


# By the name of the rule, which is that of the sub-command. `download` is not one of them: its result is the requested
# file, whichever code fetched it.
STAGES = {
    "digits": Stage(("resbench.data.digits",)),
    "convert": Stage(("resbench.data.convert",)),
    "extraset": Stage(("resbench.data.test_sets",)),
    "corrupt": Stage(("resbench.data.corruptions", "resbench.data.store")),
    "train": Stage(("resbench.training.job",), without=(NETWORKS, PROTOCOLS)),
    "export": Stage(("resbench.export.onnx", "resbench.networks.registry", BACKENDS["onnxruntime"])),
    "quantize": Stage(("resbench.export.quantize", BACKENDS["onnxruntime"])),
    "evaluate": Stage(("resbench.benchmark.predictions",)),
    "latency": Stage(("resbench.benchmark.latency",)),
    "profile": Stage(("resbench.benchmark.profile",)),
    "scenarios": Stage(("resbench.benchmark.scenarios",)),
    "collate": Stage(("resbench.report.collate",), ("report/templates/*",)),
    "robustness": Stage(("resbench.report.robustness",)),
    "page": Stage(("resbench.report.html.page", "resbench.report.html.page_inputs"), ("report/html/templates/*",)),
    "bundle": Stage(("resbench.deploy.bundle",)),
}


@cache
def code_digest(
    stage: str, *, variant: str | None = None, protocol: str | None = None, providers: tuple[str, ...] = ()
) -> str:
    """Return the digest of the code that affects a stage's result.

    Args:
        stage: A key of STAGES.
        variant: The network whose code belongs to it, for a stage that builds networks.
        protocol: The training protocol whose code belongs to it, for a stage that trains.
        providers: The execution providers whose runtimes' code belongs to it, for a stage that runs models.

    Returns:
        16 hexadecimal digits.

    Raises:
        ResbenchError: There is no such variant, or a file is not valid Python.
    """
    files = stage_files(stage) | (variant_files(variant) if variant else frozenset())
    used = [BACKENDS[PROVIDERS[name].backend] for name in providers] + ([f"{PROTOCOLS}.{protocol}"] if protocol else [])
    files |= _closure([PACKAGE / _module_path(name) for name in used])
    # Only the digests of the files, sorted: names and places do not matter.
    parts = sorted(_file_digest(path) for path in files)
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


@cache
def stage_files(stage: str) -> frozenset[Path]:
    """Return the files of a stage's code, without the packages of which it uses one module at a time.

    Args:
        stage: A key of STAGES.

    Returns:
        The files.
    """
    declared = STAGES[stage]
    modules = _closure([PACKAGE / _module_path(name) for name in declared.modules], declared.without)
    return modules | {path for pattern in declared.files for path in PACKAGE.glob(pattern)}


@cache
def variant_files(variant: str) -> frozenset[Path]:
    """Return the files of a network's code: the variant's own, and those of the modules that it imports.

    Args:
        variant: Name of the variant.

    Returns:
        The files.

    Raises:
        ResbenchError: There is no such variant.
    """
    return _closure([variant_file(variant)])


def _closure(files: list[Path], without: tuple[str, ...] = ()) -> frozenset[Path]:
    """Return the files and all that they import, except NEUTRAL and the packages `without`."""
    closure: set[Path] = set()
    waiting = list(files)
    while waiting:
        path = waiting.pop()
        if path not in closure:
            closure.add(path)
            waiting += [file for name, file in _imported(path) if not _is_within(name, without)]
    return frozenset(closure)


def _is_within(name: str, packages: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


@cache
def _imported(path: Path) -> list[tuple[str, Path]]:
    """Return name and file of each module that a file imports, from this package or the folder of the user's variants.

    Variants there are modules of `resbench.networks.variants`, and their folder is searched for other names as well.
    """
    users = next((folder for folder in variant_folders() if path.is_relative_to(folder)), VARIANTS_FOLDER)
    modules = [(name, file) for name in _imported_names(path, users) if (file := _module_file(name, users))]
    return [(name, file) for name, file in modules if name not in NEUTRAL]


def _imported_names(path: Path, users: Path) -> Iterator[str]:
    """Yield the names that may be modules: for `from a.b import c`, `a.b` and `a.b.c`; `a` if it is the user's."""
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            sources = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = ".".join(filter(None, (_package(path, users, node.level), node.module)))
            sources = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from sources
        for source in sources:
            if not source.startswith("resbench."):
                yield from (source.rsplit(".", level)[0] for level in range(1, source.count(".") + 1))


def _package(path: Path, users: Path, level: int) -> str:
    """Return the package that a relative import of that level starts from; empty for level 0."""
    if not level:
        return ""
    if path.is_relative_to(PACKAGE):
        parts = ("resbench", *path.relative_to(PACKAGE).parts)
    else:
        parts = (*VARIANTS.split("."), *path.relative_to(users).parts)
    return ".".join(parts[: len(parts) - level])


def _module_file(name: str, users: Path) -> Path | None:
    """Return the file of a module of this package, or of one in the folder of the user's variants; None for others."""
    places = []
    if name == "resbench" or name.startswith("resbench."):
        places.append(PACKAGE / _module_path(name))
    if not places or name.startswith(f"{VARIANTS}."):
        places.append(users.joinpath(*name.removeprefix(f"{VARIANTS}.").split(".")))
    for place in places:
        for candidate in (place.with_suffix(".py"), place / "__init__.py", place):
            if candidate.is_file():
                return candidate
    return None


def _module_path(name: str) -> Path:
    """Return the path of a module of this package, relative to the package, as a file if it is one."""
    relative = Path(*name.split(".")[1:])
    return (
        relative.with_suffix(".py") if (PACKAGE / relative).with_suffix(".py").is_file() else relative / "__init__.py"
    )


@cache
def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise ResbenchError(f"{path}: is not valid Python ({error}); correct it") from error


@cache
def _file_digest(path: Path) -> str:
    content = repr(_essence(_parsed(path))).encode() if path.suffix == ".py" else path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _essence(node: object) -> object:
    """Return a syntax tree as nested tuples, without what affects no result: positions, docstrings and messages."""
    if isinstance(node, list):
        return tuple(_essence(item) for item in node if not _is_text(item))
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Raise):
        fields["exc"] = [part for part in ast.walk(node.exc) if isinstance(part, ast.Name)][:1] if node.exc else None
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MESSAGES:
        fields["args"], fields["keywords"] = [], []
    present = ((name, _essence(value)) for name, value in fields.items() if value not in (None, []))
    return (type(node).__name__, *present)


def _is_text(node: object) -> bool:
    """Return whether a statement is a docstring, or another text that does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
