"""What a configuration may hold: checked before anything runs, and completed with the defaults."""

import copy
import difflib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

from resbench.runtime.providers import PROVIDERS

KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}

# JSON Schema takes 10.0 for an integer; a command line that expects one does not.
_strict = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
Validator = validators.extend(Draft202012Validator, type_checker=_strict)  # type: ignore[no-untyped-call]


def variant_names() -> list[str]:
    """The networks there are, found without importing TensorFlow."""
    return sorted(path.stem for path in (Path(__file__).parent / "networks" / "variants").glob("[!_]*.py"))


def check(config: dict[str, Any], schema: dict[str, Any], variants: list[str]) -> list[str]:
    """Fill `config` with the schema's defaults, in place, and say what is wrong with it.

    Args:
        config: as read from YAML.
        schema: a JSON Schema (draft 2020-12) with a property `variants`, a list.
        variants: the names that this list may hold.

    Returns:
        One line for each problem, naming the key; none where the configuration is sound.
    """
    schema = copy.deepcopy(schema)
    schema["properties"]["variants"]["items"] = {"enum": variants}
    _fill(config, schema)
    errors = sorted(Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.absolute_path)))
    return [f"config: {line}" for error in errors for line in _lines(error)]


def choose_providers(benchmark: dict[str, Any]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The execution providers to measure, each with its options as texts, and a line for each that is left out.

    With `skip_unavailable`, those are left out that this machine cannot have; each is tried in a
    process of its own, so that none holds on to a GPU.
    """
    chosen: dict[str, dict[str, str]] = {}
    skipped = []
    for entry in benchmark["providers"]:
        name, options = (entry, {}) if isinstance(entry, str) else (entry["name"], entry.get("options", {}))
        reason = _unavailable(name) if benchmark["skip_unavailable"] else ""
        if reason:
            skipped.append(f"{name} was left out: {reason}")
        else:
            chosen[name] = {key: str(int(v) if isinstance(v, bool) else v) for key, v in options.items()}
    return chosen, skipped


def _unavailable(provider: str) -> str:
    """Why a model cannot run there; empty where it can."""
    if not PROVIDERS[provider].extra:
        return ""
    command = [sys.executable, "-m", "resbench.runtime.probe", provider]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    probe = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    said = probe.stderr.strip().splitlines() or [f"trying it ended with status {probe.returncode}"]
    return said[-1] if probe.returncode else ""


def _fill(config: dict[str, Any], schema: dict[str, Any]) -> None:
    for key, part in schema["properties"].items():
        if "default" in part:
            config.setdefault(key, copy.deepcopy(part["default"]))
        if "properties" in part and isinstance(config[key], dict):
            _fill(config[key], part)


def _lines(error: ValidationError) -> Iterator[str]:
    key = ".".join(str(part) for part in error.absolute_path if not isinstance(part, int))
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        for unknown in [name for name in value if name not in known]:
            full = f"{key}.{unknown}" if key else str(unknown)
            yield f"{full}: unknown key{_suggestion(str(unknown), known)}"
    elif error.validator == "type":
        kinds = " or ".join(KINDS[kind] for kind in ([rule] if isinstance(rule, str) else rule))
        yield f"{key}: {value!r} is not {kinds}"
    elif error.validator == "enum":
        yield f"{key}: {value!r} is unknown{_suggestion(str(value), rule)}"
    elif error.validator == "uniqueItems":
        yield f"{key}: {value!r} names something twice"
    elif error.validator in ("minItems", "minLength"):
        yield f"{key}: is empty"
    elif error.validator == "minimum":
        yield f"{key}: {value!r} is less than {rule}"
    elif error.validator == "maximum":
        yield f"{key}: {value!r} is more than {rule}"
    else:
        yield f"{key}: {error.message}"


def _suggestion(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return (f"; did you mean {close[0]}?" if close else "") + f" (known: {', '.join(known)})"
