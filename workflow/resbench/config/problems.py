"""What is wrong with a configuration: one line for each problem, naming its key."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from resbench.common.names import suggestion
from resbench.config.fields import shown
from resbench.config.model import Configuration, ExtraTestSet, ProviderWithOptions

# What each of pydantic's type errors asks for.
KINDS = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "list_type": "a list",
    "string_type": "a text",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
}


def check(config: dict[str, Any]) -> list[str]:
    """Fill a configuration with the defaults, in place, and return what is wrong with it.

    Args:
        config: The configuration, as read from YAML.

    Returns:
        One line for each problem, naming the key; empty for a valid configuration, which alone is filled.
    """
    try:
        complete = Configuration.model_validate(config).model_dump()
    except ValidationError as error:
        problems = sorted(error.errors(), key=lambda problem: [str(part) for part in problem["loc"]])
        return [f"config: {_line(problem)}" for problem in problems]
    config.clear()
    config.update(complete)
    return []


def duplicate_keys(path: Path) -> list[str]:
    """Return the keys that are given twice in a YAML file, of which YAML itself silently keeps the last.

    Args:
        path: The file.

    Returns:
        One line for each key; empty for a file that is not YAML, since Snakemake reads JSON, too.
    """
    try:
        with path.open() as stream:
            root = yaml.compose(stream, yaml.SafeLoader)
    except yaml.YAMLError:
        return []
    return [f"{path}: {line}" for line in _duplicates(root, "")] if root else []


def _duplicates(node: yaml.Node, prefix: str) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _duplicates(entry, prefix)
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, f"{prefix}{key.value}"
            if name in first:
                yield f"{name} is given twice, in line {first[name]} and in line {line}; keep one"
            first.setdefault(name, line)
            yield from _duplicates(value, f"{name}.")


def _line(problem: ErrorDetails) -> str:
    """Return pydantic's error as one line, with the dotted key."""
    loc, value, limits = problem["loc"], problem["input"], problem.get("ctx", {})
    if problem["type"] == "invalid_key":  # a number, or a word such as `on` that YAML reads as true
        loc = (*loc[:-1], shown(value))
    path = [part for part in loc if isinstance(part, str) and part[:1] not in "<["]
    key = ".".join(path)
    match problem["type"]:
        case "extra_forbidden" | "invalid_key":
            return f"{key}: unknown key{suggestion(path[-1], _keys(path[:-1]))}"
        case "missing":
            return f"{key}: is missing"
        case "too_short" | "string_too_short":
            return f"{key}: is empty"
        case "greater_than_equal":
            return f"{key}: {value!r} is less than {limits['ge']}"
        case "greater_than":
            return f"{key}: {value!r} is not more than {limits['gt']}"
        case "less_than_equal":
            return f"{key}: {value!r} is more than {limits['le']}"
        case kind if kind in KINDS:
            or_null = " or null" if isinstance(loc[-1], str) and _takes_null(path) else ""
            return f"{key}: {shown(value)} is not {KINDS[kind]}{or_null}{_remedy(kind, value)}"
    return f"{key}: {problem['msg']}"


def _remedy(kind: str, value: Any) -> str:
    """Return what to write instead of a value of another type, where that is clear; else nothing."""
    if not isinstance(value, str | int | float):
        return ""
    if kind == "string_type":
        return "; put it in quotes"
    if kind == "list_type":
        return f"; write [{value if isinstance(value, str) else shown(value)}]"
    if kind in ("int_type", "float_type") and isinstance(value, str):  # in quotes, or as 1e3, which YAML reads as text
        with suppress(ValueError, OverflowError):
            number = float(value)
            if kind == "float_type" or number == int(number):
                return f" but a text; in a file, write {number:.15g}"
    return ""


def _section(path: list[str]) -> type[BaseModel]:
    """Return the model of the mapping at a dotted path."""
    if path == ["benchmark", "providers"]:
        return ProviderWithOptions
    if path == ["data", "extra_test_sets"]:
        return ExtraTestSet
    section: Any = Configuration
    for name in path:
        section = section.model_fields[name].annotation
    return section


def _keys(path: list[str]) -> list[str]:
    return list(_section(path).model_fields)


def _takes_null(path: list[str]) -> bool:
    *parents, name = path
    field = _section(parents).model_fields.get(name)
    return field is not None and type(None) in get_args(field.annotation)
