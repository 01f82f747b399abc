"""Metadata of the configuration's texts; their messages name the known values."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from resbench.common.names import suggestion


def refusal(message: str) -> PydanticCustomError:
    """Return an error with exactly this message, whatever braces it contains.

    Args:
        message: The message.

    Returns:
        The error, for pydantic.
    """
    return PydanticCustomError("refused", "{message}", {"message": message})


def shown(value: Any) -> str:
    """Return a value of a configuration as messages show it: null, true and false as YAML writes them.

    Args:
        value: The value.

    Returns:
        The text.
    """
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


def known(value: Any, names: Iterable[str]) -> Any:
    """Check that a value is one of some names.

    Args:
        value: The value.
        names: The names.

    Returns:
        The value.

    Raises:
        PydanticCustomError: It is none of them; the message suggests one.
    """
    if value not in names:
        raise refusal(f"{shown(value)} is unknown{suggestion(value, list(names))}")
    return value


@dataclass(frozen=True)
class OneOf:
    """Metadata of a text that must be one of `names`."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": list(self.names)}

    def _check(self, value: Any) -> Any:
        return known(value, self.names)


def one_of(names: Iterable[str]) -> OneOf:
    """Return the metadata of a text that must be one of some names, such as a registry's keys.

    Args:
        names: The names.

    Returns:
        The metadata, for `Annotated`.
    """
    return OneOf(tuple(names))


@dataclass(frozen=True)
class Matching:
    """Metadata of a text that must match a pattern, with what is wrong where it does not."""

    pattern: str
    otherwise: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {"pattern": self.pattern}

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise refusal(f"{value!r} {self.otherwise}")
        return value
