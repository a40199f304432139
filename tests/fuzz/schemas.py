"""Draws JSON schemas, of which many name each other, or themselves. It knows keywords; it does not know routes."""

from random import Random
from typing import Any

_NAMES = ("a", "b", "c")
_PATTERNS = (
    "^a+$",
    "(a|ab)*c",
    r"^\d{1,3}(\.\d+)?$",
    "^(?!x)[a-z]{2,9}$",
    "[",
    "(a{40}){40}",
    ".*b.{9}$",
    "",
)
_FORMATS = ("date-time", "uuid", "email", "binary", "x")
_LEAVES: tuple[dict[str, Any], ...] = (
    {"type": "null"},
    {"type": "boolean"},
    {"type": "integer", "minimum": -3, "maximum": 300},
    {"type": "integer", "exclusiveMinimum": 5, "maximum": 4},
    {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 2},
    {"type": ["string", "null"], "maxLength": 3},
    {"const": "x"},
    {"enum": [1, "1", None, True, {"a": []}]},
    {"not": {"type": "string"}},
    {"type": "banana"},
    {},
)


def schema(rng: Random) -> dict[str, Any]:
    """A schema with definitions, of which some are used."""
    found: dict[str, Any] = {
        "type": "object",
        "properties": {name: _any(rng, 2) for name in _NAMES[: rng.randrange(1, 4)]},
    }
    if rng.random() < 0.7:
        found["required"] = ["a"]
    if rng.random() < 0.3:
        found = _any(rng, 2)
    return {**found, "$defs": {name: _any(rng, 2) for name in _NAMES}}


def _any(rng: Random, depth: int) -> dict[str, Any]:
    draw = rng.random()
    if draw < 0.25 or not depth:
        return (
            {"$ref": f"#/$defs/{rng.choice((*_NAMES, 'd'))}"}
            if rng.random() < 0.6
            else dict(rng.choice(_LEAVES))
        )
    if draw < 0.45:
        return {
            rng.choice(("oneOf", "anyOf", "allOf")): [
                _any(rng, depth - 1) for _ in range(rng.randrange(1, 4))
            ]
        }
    if draw < 0.6:
        return {"type": "array", "items": _any(rng, depth - 1), "maxItems": rng.randrange(4)}
    if draw < 0.7:
        return {"type": "string", rng.choice(("pattern", "format")): rng.choice((*_PATTERNS, *_FORMATS))}
    if draw < 0.75:
        return {"type": "object", "patternProperties": {rng.choice(_PATTERNS): _any(rng, depth - 1)}}
    members = {name: _any(rng, depth - 1) for name in _NAMES[: rng.randrange(1, 4)]}
    kind: dict[str, Any] = {"kind": {"const": rng.choice(_NAMES)}} if rng.random() < 0.5 else {}
    return {
        "type": "object",
        "properties": {**kind, **members},
        "required": [*kind, *rng.sample(list(members), rng.randrange(len(members) + 1))],
        "additionalProperties": rng.choice((False, True, {"type": "string"})),
    }
