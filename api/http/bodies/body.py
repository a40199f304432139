"""Validates the JSON body of a request as a pydantic model. It does not know resources."""

import asyncio
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import orjson
from pydantic import ValidationError
from starlette.requests import Request

from api.http.answers.validation import invalid
from api.http.answers.warning import warned
from api.http.bodies.fields import RequestModel
from api.http.bodies.json_size import check_size
from api.http.bodies.nesting import is_deeper_than
from api.http.callers.caller import caller_of
from jobs.errors import InvalidRequest

Model = TypeVar("Model", bound=RequestModel)
Result = TypeVar("Result")

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
#: Largest body that is parsed on the event loop: it takes less than a millisecond. One thread parses larger ones, so
#: that other requests continue. More threads would not be faster, because parsers hold the GIL, and need more memory.
_SMALL = 1 << 15
_reader = ThreadPoolExecutor(1, "body")
#: Fields of a body, known or not, and levels of its lists and objects: parsers and writers differ beyond 254.
_MOST_FIELDS, _DEEPEST = 1_000, 200
#: Ignored fields that are named in the warning; the rest is counted.
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Body(Generic[Model]):
    """A validated body: `raw` as it was sent, and the names of ignored fields."""

    raw: bytes
    value: Model
    ignored: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """The `warning` header (RFC 7234) that names ignored fields, if there are any."""
        return warned({}, ignored_warning(self.ignored))

    async def work(self, task: Callable[[], Result]) -> Result:
        """Run work whose time grows with the body; for a large body in a thread."""
        return await apart(len(self.raw), task)


def ignored_warning(names: Collection[str]) -> list[str]:
    """The warning about these, if there are any."""
    if not names:
        return []
    named = [name if _PLAIN_NAME.fullmatch(name) else "?" for name in sorted(names)[:_NAMED]]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"ignored fields: {', '.join(named)}{more}"]


async def read_body(request: Request, model: type[Model]) -> Body[Model]:
    """The body of this request as `model`. Raises InvalidRequest, whose `param` is the first wrong field."""
    raw = await request.body()
    withheld = caller_of(request).withheld
    # To build a model's validator takes as long as to read a large body.
    ready = model.__pydantic_complete__
    return await apart(len(raw), lambda: _read(raw, model, withheld), ready=ready)


async def apart(size: int, task: Callable[[], Result], *, ready: bool = True) -> Result:
    """Run work on a body of `size` bytes; if it takes long, in a thread, so that other requests continue."""
    if size <= _SMALL and ready:
        return task()
    return await asyncio.get_running_loop().run_in_executor(_reader, task)


def _read(raw: bytes, model: type[Model], withheld: frozenset[str]) -> Body[Model]:
    data = parse_object(raw)
    ignored = ignored_fields(model, data) | withhold(data, withheld)
    return Body(raw, validate(model, data), tuple(ignored))


def withhold(data: dict[str, object], withheld: frozenset[str]) -> set[str]:
    """Remove fields that the caller may not set. Returns the names of those that were set."""
    taken = withheld & data.keys()
    for name in taken:
        del data[name]
    return set(taken)


def ignored_fields(model: type[RequestModel], data: Mapping[str, Any]) -> set[str]:
    """The names of fields that ask for something and have no effect; those within objects with the object's."""
    unknown = data.keys() - known_fields(model)
    found = {name for name in unknown if data[name] not in (None, model.idle.get(name))}
    for name, inner in model.inside.items():
        if isinstance(value := data.get(name), dict):
            found |= {f"{name}.{each}" for each in ignored_fields(inner, value)}
    return found


@cache
def known_fields(model: type[RequestModel]) -> frozenset[str]:
    return model.harmless.union(model.model_fields)


def parse_object(raw: bytes) -> dict[str, object]:
    """The JSON object in these bytes. Raises InvalidRequest."""
    if not raw.strip():
        raise InvalidRequest("The request has no body; a JSON object is expected.", code="invalid_json")
    # Programs of Windows write it (RFC 8259, 8.1).
    raw = raw.removeprefix(BOM_UTF8)
    check_size(raw)
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None
    if not isinstance(data, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    if len(data) > _MOST_FIELDS:
        raise InvalidRequest(f"The body has more than {_MOST_FIELDS} fields.", code="invalid_json")
    if raw.count(b"[") + raw.count(b"{") > _DEEPEST and is_deeper_than(_DEEPEST, data):
        raise InvalidRequest(f"The body is nested deeper than {_DEEPEST} levels.", code="invalid_json")
    return data


def validate(model: type[Model], data: Mapping[str, Any], *, strict: bool | None = None) -> Model:
    """Raises InvalidRequest. Forms, whose values are all texts, are not `strict`."""
    try:
        return model.model_validate(data, strict=strict)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False), data) from None
