"""Errors of pydantic in the words of this server: the first one, with the field as OpenAI names it."""

import re
from collections.abc import Mapping, Sequence

from pydantic_core import ErrorDetails

from jobs.errors import InvalidRequest

_CODES = {"missing": "missing_required_parameter", "not_supported": "unsupported_value"}
#: Prefixes of pydantic's messages that do not help a client.
_NOISE = re.compile(
    r"^(Value error|Assertion failed), |^(Input|Value|String|List|Dictionary|Tuple) (?=should)| after validation"
)
#: Pydantic's words for these are Python's.
_NO_OBJECT, _OBJECT = ("dict_type", "model_type", "model_attributes_type"), "should be an object"
#: Stands for a field of a location that the data does not have.
_NOTHING = object()


def invalid(errors: Sequence[ErrorDetails], data: object = None) -> InvalidRequest:
    """The first of pydantic's errors about this data as one of ours."""
    first = errors[0]
    param = _param(first, data)
    code = _CODES.get(first["type"], "invalid_value")
    if first["type"] == "missing":
        return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code=code)
    # A field with a union type has an error for each of its types.
    said = dict.fromkeys(_words(each) for each in errors if _param(each, data) == param)
    message = " or ".join([next(iter(said)), *(each.removeprefix("should be ") for each in [*said][1:])])
    return InvalidRequest(
        f"Invalid '{param}': {message}." if param else f"{message[:1].upper()}{message[1:]}.",
        param=param,
        code=code,
    )


def _words(error: ErrorDetails) -> str:
    return _OBJECT if error["type"] in _NO_OBJECT else _NOISE.sub("", error["msg"])


def _param(error: ErrorDetails, data: object) -> str | None:
    """The field that an error is about; one that concerns several fields names one of them itself."""
    location, context = error["loc"], error.get("ctx", {})
    named = context.get("param")
    if isinstance(named, str):
        return field_path((*location, named), data, absent=True)
    return field_path(location, data, absent=error["type"] == "missing")


def field_path(location: Sequence[int | str], data: object = None, *, absent: bool = False) -> str | None:
    """A field as OpenAI names it: `messages[0].content`. With `absent`, its last part need not be in the data.

    Pydantic's locations also name the kinds of values that it has tried: those are no part of `data`.
    """
    path = ""
    for place, part in enumerate(location):
        if isinstance(part, int):
            path += f"[{part}]"
            item = data[part] if isinstance(data, list) and part < len(data) else _NOTHING
            data = _NOTHING if item is None else item
            continue
        known = data is None or (
            isinstance(data, Mapping) and (part in data or (absent and place == len(location) - 1))
        )
        if part != "[key]" and (known or not path):
            path += f".{part}" if path else part
            data = data.get(part, _NOTHING) if isinstance(data, Mapping) else data
    return path[:200] or None
