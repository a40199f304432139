"""Bounds the nesting of a client's JSON, which templates and grammars process by recursion."""

from typing import Any

from pydantic_core import PydanticCustomError


def not_deeper_than(levels: int, value: Any) -> None:
    """Raises pydantic's error for a value with more levels of objects and lists."""
    if _deeper_than(levels, value):
        raise PydanticCustomError(
            "too_deep", "must not be nested deeper than {levels} levels", {"levels": levels}
        )


def _deeper_than(levels: int, value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_deeper_than(levels - 1, each) for each in value)
