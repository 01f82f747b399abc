"""Metadata of the configuration's texts, whose refusals name what would have been right."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


def refusal(words: str) -> PydanticCustomError:
    """An error whose message are these words, whatever braces they hold."""
    return PydanticCustomError("refused", "{words}", {"words": words})


def known(value: Any, names: Iterable[str]) -> Any:
    if value not in names:
        raise refusal(f"{value!r} is unknown{suggestion(value, list(names))}")
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
    """Return the metadata of a text that must be one of these names, such as a registry's keys."""
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


def suggestion(word: Any, known: list[str]) -> str:
    close = difflib.get_close_matches(str(word), known, 1)
    return (f"; did you mean {close[0]}?" if close else "") + f" (known: {', '.join(known)})"
