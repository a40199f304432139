"""Types of arguments from a tool's schema, for formats that write arguments without types, such as XML-like calls.

This module knows only the types in JSON schemas. It does not validate.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from config.values import JsonObject, json_type
from worker.engines.llm.formats.near_json import read_all

_TYPES = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})
#: Other words of schemas for these types.
_ALIASES = {"str": "string", "text": "string", "int": "integer", "float": "number", "bool": "boolean",
            "dict": "object", "list": "array"}  # fmt: skip
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
#: Levels of references and alternatives that are followed.
_DEEPEST = 24


@dataclass(frozen=True, slots=True)
class Kind:
    """The possible `types` of a value, empty if the schema names none, and its possible `constants`."""

    types: frozenset[str] = frozenset()
    constants: tuple[Any, ...] = ()

    @property
    def text(self) -> bool:
        """Whether it is always a string or null."""
        return "string" in self.types and self.types <= {"string", "null"} and not self.constants

    @property
    def structured(self) -> bool:
        """Whether it is always an object, a list or null."""
        return bool(self.types & {"object", "array"}) and self.types <= {"object", "array", "null"}

    def json(self, text: str, *, guess: bool) -> str:
        """The written text of a value as JSON. `guess`: whether values of unknown types are read as JSON."""
        value = self._value(text, guess)
        return value if isinstance(value, _Written) else json.dumps(value, ensure_ascii=False)

    def _value(self, text: str, guess: bool) -> Any:
        bare = text.strip()
        for constant in self.constants:
            if constant == text or (not isinstance(constant, str) and _equal(constant, bare)):
                return constant
        if bare in self.constants:
            return bare
        types = self.types
        if not types:
            types = _TYPES if guess else frozenset({"string", "object", "array"})
        strings = "string" in types
        if "null" in types and bare in ("null", "None", *([] if strings else [""])):
            return None
        if "boolean" in types:
            if bare in ("true", "True", "false", "False"):
                return bare.lower() == "true"
            if types <= {"boolean", "null"} and bare.lower() in _TRUE | _FALSE:
                return bare.lower() in _TRUE
        if types & {"integer", "number"} and (number := _number(bare, types, exact=strings)) is not None:
            return number
        if types & {"object", "array"} and bare[:1] in ("{", "["):
            value = _structure(bare, strict=strings)
            if (isinstance(value, dict) and "object" in types) or (
                isinstance(value, list) and "array" in types
            ):
                return value
        return text


class _Written(str):
    """A number in its written form, with all digits."""


TEXT, ANYTHING = Kind(frozenset({"string"})), Kind()
UNTEXT = Kind(_TYPES - {"string"})


class Tools:
    """The functions of a request: their names, and the types of their arguments."""

    def __init__(self, tools: Sequence[JsonObject]) -> None:
        functions: list[Any] = [tool["function"] for tool in tools]
        self._parameters: dict[str, JsonObject] = {
            function["name"]: function.get("parameters") or {} for function in functions
        }

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def __bool__(self) -> bool:
        return bool(self._parameters)

    def arguments(self, name: str) -> list[str]:
        """The names of a function's arguments."""
        properties = self._parameters.get(name, {}).get("properties")
        return list(properties) if isinstance(properties, dict) else []

    def names(self, name: str, argument: str) -> bool:
        """Whether a function's schema has an argument of this name."""
        return argument in self.arguments(name)

    def closed(self, name: str) -> bool:
        """Whether a function takes no additional arguments."""
        return self._parameters.get(name, {}).get("additionalProperties") is False

    def kind(self, name: str, argument: str) -> Kind:
        root = self._parameters.get(name, {})
        properties = root.get("properties")
        schema = properties.get(argument) if isinstance(properties, dict) else None
        if schema is None:
            schema = root.get("additionalProperties")
        return kind_of(schema, root) if isinstance(schema, dict) else ANYTHING


def kind_of(schema: JsonObject, root: JsonObject) -> Kind:
    types: set[str] = set()
    constants: list[Any] = []
    for part in _parts(schema, root, 0):
        if "const" in part:
            constants.append(part["const"])
        elif isinstance(enum := part.get("enum"), list):
            constants += enum
        else:
            types |= _own_types(part)
        if part.get("nullable") is True:
            types.add("null")
    types |= {json_type(constant) for constant in constants}
    return Kind(frozenset(types), tuple(constants))


def _parts(schema: Any, root: JsonObject, depth: int) -> Iterator[JsonObject]:
    """The possible schemas of a value, with alternatives and references resolved."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return
    if isinstance(schema.get("$ref"), str):
        yield from _parts(_referred(schema["$ref"], root), root, depth + 1)
        return
    alternatives = [each for word in ("anyOf", "oneOf", "allOf") for each in _list(schema.get(word))]
    if alternatives and "const" not in schema and "enum" not in schema:
        for each in alternatives:
            yield from _parts(each, root, depth + 1)
        if "type" not in schema:
            if schema.get("nullable") is True:
                yield {"type": "null"}
            return
    yield schema


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _referred(reference: str, root: JsonObject) -> Any:
    if not reference.startswith("#"):
        return None
    place: Any = root
    for step in reference[1:].split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        place = place.get(step) if isinstance(place, dict) else None
    return place


def _own_types(schema: JsonObject) -> set[str]:
    said = schema.get("type")
    words = [said] if isinstance(said, str) else _list(said)
    types = {_ALIASES.get(word.lower(), word.lower()) for word in words if isinstance(word, str)} & _TYPES
    if not types and "properties" in schema:
        types.add("object")
    if not types and "items" in schema:
        types.add("array")
    return types


@lru_cache(maxsize=256)
def _loaded(text: str) -> tuple[bool, Any]:
    try:
        return True, json.loads(text)
    except (ValueError, RecursionError):
        return False, None


def _equal(constant: Any, text: str) -> bool:
    """Whether a text spells a constant that is no string."""
    known, value = _loaded(text)
    if not known:
        known, value = text in ("None", "True", "False"), {"True": True, "False": False}.get(text)
    return known and type(value) is type(constant) and bool(value == constant)


def _number(text: str, types: frozenset[str], *, exact: bool) -> Any:
    """The number that the text is, if any. `exact`: strings are possible too, so only JSON's form counts."""
    known, value = _loaded(text)
    if not known or isinstance(value, bool) or not isinstance(value, int | float):
        if exact:
            return None
        try:
            value = float(text.replace("_", ""))
        except ValueError:
            return None
        if value != value or value in (float("inf"), float("-inf")):
            return None
        return int(value) if value.is_integer() else (value if "number" in types else None)
    if isinstance(value, float) and "number" not in types:
        # 25.0 is an integer in JSON schemas.
        return int(value) if value.is_integer() and not exact else None
    if value != value or value in (float("inf"), float("-inf")) or (exact and json.dumps(value) != text):
        return None
    return _Written(text)


def _structure(text: str, *, strict: bool) -> Any:
    try:
        return json.loads(text) if strict else read_all(text)
    except (ValueError, RecursionError):
        return None
