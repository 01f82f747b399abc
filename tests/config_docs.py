"""Make config/README.md's table and workflow/schemas/config.schema.json from the model, as `make docs` does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from resbench.config import Configuration

ROOT = Path(__file__).parents[1]
README = ROOT / "config/README.md"
SCHEMA = ROOT / "workflow/schemas/config.schema.json"
TYPES = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}
PLURALS = {"mapping": "mappings", "text": "texts", "integer": "integers"}


def json_schema() -> str:
    """Return the model as a JSON Schema, for editors and for tools that read workflows."""
    return json.dumps(_without_titles(Configuration.model_json_schema()), indent=2, ensure_ascii=False) + "\n"


def readme() -> str:
    """Return config/README.md with the table of all keys."""
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, part in leaves(Configuration.model_json_schema()):
        default = yaml.safe_dump(part["default"], default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()
        rows.append(f"| `{key}` | {_type(part)} | `{default}` | {' '.join(part['description'].split())} |")
    table = "\n".join(rows) + "\n"
    return re.sub(r"^\| key \|.*?\n(?=\n)", lambda _: table, README.read_text(), flags=re.DOTALL | re.MULTILINE)


def leaves(schema: dict[str, Any], section: str = "Configuration", prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key, dotted, with its part of the schema."""
    mapping = schema if section == "Configuration" else schema["$defs"][section]
    for key, part in mapping["properties"].items():
        if reference := part.get("$ref"):
            yield from leaves(schema, reference.rpartition("/")[2], f"{prefix}{key}.")
        else:
            yield prefix + key, part


def _type(part: dict[str, Any]) -> str:
    if "anyOf" in part:
        return " or ".join(_type(one) for one in part["anyOf"])
    if "enum" in part:
        return " or ".join(f"`{name}`" for name in part["enum"])
    if part.get("type") == "array":
        items = part["items"]
        inner = _type(items["oneOf"][0] if "oneOf" in items else items)
        return f"list of {PLURALS.get(inner, inner)}"
    return "mapping" if "$ref" in part else TYPES[part["type"]]


def _without_titles(schema: Any) -> Any:
    """Drop the titles that pydantic makes of the keys' names."""
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if isinstance(schema, dict):
        kept = {key: part for key, part in schema.items() if key != "title" or not isinstance(part, str)}
        return {key: _without_titles(part) for key, part in kept.items()}
    return schema


if __name__ == "__main__":
    README.write_text(readme())
    SCHEMA.write_text(json_schema())
