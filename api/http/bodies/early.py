"""Validation that stops at the first wrong item.

Pydantic makes an error for each wrong item of a list: a body of ten megabytes can have a million of them, and
only the first is told.
"""

from typing import Any

from pydantic_core import PydanticCustomError

#: Entries of an object whose names or values are checked one by one.
MAX_ENTRIES = 10_000

_LISTS = ("list", "tuple", "set", "frozenset")
#: Parts of a core schema that hold no other schemas.
_LEAVES = ("metadata", "serialization", "config", "default", "expected", "cls")


def stop_early(schema: Any) -> Any:
    """A core schema in which every list stops at its first error, and objects of checked entries are bounded."""
    match schema:
        case {"type": "function-before", "function": {"function": function}} if function is _few:
            return schema
        case {"type": str(kind), **rest}:
            inner = {key: part if key in _LEAVES else stop_early(part) for key, part in rest.items()}
            found = {"type": kind, **inner}
            if kind in _LISTS:
                return {**found, "fail_fast": True}
            return _bounded(found) if kind == "dict" and _checks(found) else found
        case dict():
            return {key: stop_early(part) for key, part in schema.items()}
        case list() | tuple():
            return type(schema)(stop_early(part) for part in schema)
        case _:
            return schema


def _checks(schema: dict[Any, Any]) -> bool:
    return bool(schema.get("values_schema", {"type": "any"})["type"] != "any")


def _bounded(schema: dict[Any, Any]) -> dict[Any, Any]:
    return {"type": "function-before", "function": {"type": "no-info", "function": _few}, "schema": schema}


def _few(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > MAX_ENTRIES:
        raise PydanticCustomError("too_long", "must not have more than {most} entries", {"most": MAX_ENTRIES})
    return value
