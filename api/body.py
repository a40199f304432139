"""From a request's bytes to a validated model. It knows JSON and pydantic, and no resource."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import HTTPConnection, Request

from api.caller import caller_of
from api.schemas.fields import RequestModel
from jobs.errors import InvalidRequest

Model = TypeVar("Model", bound=RequestModel)

_CODES = {"missing": "missing_required_parameter", "not_supported": "unsupported_value"}
#: Pydantic's prefixes that say nothing to a client.
_NOISE = re.compile(r"^(Value error|Assertion failed), |^Input ")
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}")
#: Ignored fields that are named in the warning; the rest is counted.
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Body(Generic[Model]):
    """A validated body: `raw` as it came, and the names in it that mean nothing here."""

    raw: bytes
    value: Model
    ignored: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """The `warning` header (RFC 7234) that names ignored fields, if there are any."""
        if not self.ignored:
            return {}
        named = [name if _PLAIN_NAME.fullmatch(name) else "?" for name in sorted(self.ignored)[:_NAMED]]
        more = f" and {len(self.ignored) - _NAMED} more" if len(self.ignored) > _NAMED else ""
        return {"warning": f'299 mlxq "ignored fields: {", ".join(named)}{more}"'}


async def read_body(request: Request, model: type[Model]) -> Body[Model]:
    """The body of this request as `model`. Raises InvalidRequest, whose `param` is the first wrong field."""
    raw = await request.body()
    data = parse_object(raw)
    ignored = data.keys() - _known_fields(model) | withhold(request, data)
    return Body(raw, validate(model, data), tuple(ignored))


def withhold(request: HTTPConnection, data: dict[str, Any]) -> set[str]:
    """Take out what this caller may not say. Returns the names of what was there."""
    taken = caller_of(request).withheld & data.keys()
    for name in taken:
        del data[name]
    return set(taken)


@cache
def _known_fields(model: type[RequestModel]) -> frozenset[str]:
    return model.harmless.union(model.model_fields)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in these bytes. Raises InvalidRequest."""
    if not raw.strip():
        raise InvalidRequest("The request has no body; a JSON object is expected.", code="invalid_json")
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None
    if not isinstance(data, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    return data


def validate(model: type[Model], data: Mapping[str, Any]) -> Model:
    """Raises InvalidRequest."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False, include_context=False)) from None


def invalid(errors: Sequence[ErrorDetails]) -> InvalidRequest:
    """The first of pydantic's errors as one of ours."""
    first = errors[0]
    param = field_path(first["loc"])
    if first["type"] == "missing":
        message = f"Missing required parameter: '{param}'."
    else:
        message = f"Invalid '{param}': {_NOISE.sub('', first['msg'])}." if param else f"{first['msg']}."
    return InvalidRequest(message, param=param, code=_CODES.get(first["type"], "invalid_value"))


def field_path(location: Sequence[int | str]) -> str | None:
    """A field as OpenAI names it: `messages[0].content`."""
    path = ""
    for part in location:
        if part == "[key]":
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path[:200] or None
