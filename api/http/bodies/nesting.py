"""Bounds the nesting of a client's JSON, which templates, grammars and writers of JSON process by recursion."""

from typing import Any

from pydantic_core import PydanticCustomError


def not_deeper_than(levels: int, value: Any) -> None:
    """Raises pydantic's error for a value with more levels of objects and lists."""
    if is_deeper_than(levels, value):
        raise PydanticCustomError(
            "too_deep", "must not be nested deeper than {levels} levels", {"levels": levels}
        )


def is_deeper_than(levels: int, value: Any) -> bool:
    level = [value]
    for _ in range(levels):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)
