"""Stored responses: the items that they were asked with, and what a request means by `previous_response_id` and by
references to items.

A response is its job: it is stored as long as the job's record, and longer while conversations go on from it.
"""

import base64
import re
import zlib
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import orjson
from pydantic import TypeAdapter
from starlette.requests import Request

from api.dispatch.ownership import visible_job
from api.http.body import Body
from api.http.context import context_of, jobs_of
from api.openai.responses.ask import Ask
from api.openai.responses.dialect import PREFIX, RESPONSES, ResponseNotFound
from api.openai.responses.items import InputItem, Items, ReferenceItem
from api.openai.responses.render import ResponseMeta
from api.openai.responses.schema import Asked
from jobs.errors import InvalidRequest, JobNotFound, NotFound
from jobs.info import JobInfo
from jobs.kept import keep_on, kept
from jobs.kinds import Kind, read_result
from jobs.meta import decode_meta
from jobs.results import TextResult
from jobs.status import JobStatus

#: Responses that a conversation may go back.
_LONGEST = 2_000
#: Characters of items above which they are kept compressed.
_LARGE = 2_048
#: Ids of items that this server gave: the response's own with a place, in its input where there is an `i`.
_ITEM_ID = re.compile(r"[a-z]{1,8}_([0-9a-f]{24})(i?)([0-9]{2,6})")
AnyAsked = TypeVar("AnyAsked", bound=Asked)
_ITEMS: TypeAdapter[list[InputItem]] = TypeAdapter(Items)


class _Sent(msgspec.Struct):
    """Of the body of a request, what is kept."""

    input: msgspec.Raw = msgspec.Raw(b"[]")


class Kept(msgspec.Struct):
    """`input` as it was sent, and the response that it goes on from."""

    input: msgspec.Raw
    previous: str | None = None


_SENT = msgspec.json.Decoder(_Sent)
_KEPT = msgspec.json.Decoder(Kept)


def packed(raw: bytes, previous: str | None) -> str:
    """What is kept of a request whose body was `raw`."""
    data = msgspec.json.encode(Kept(_SENT.decode(raw).input, previous))
    if len(data) <= _LARGE:
        return data.decode()
    return base64.b85encode(zlib.compress(data, 1)).decode()


def unpacked(text: str) -> Kept:
    data = text.encode()
    return _KEPT.decode(data if text.startswith("{") else zlib.decompress(base64.b85decode(data)))


class Stored(msgspec.Struct, frozen=True):
    """A response that was stored. `result` is None until it is made."""

    info: JobInfo
    meta: ResponseMeta
    result: TextResult | None

    def output(self) -> list[Any]:
        """The items of its output."""
        if self.result is None:
            return []
        return list(self.meta.maker(self.info.id).output(self.result.choices[0]))


async def stored(request: Request, response_id: str) -> Stored:
    """Raises ResponseNotFound where there is none, or it was not stored, or is of another key."""
    if not response_id.startswith(PREFIX):
        raise ResponseNotFound(response_id)
    try:
        info = await visible_job(request, response_id, with_result=True)
    except JobNotFound:
        raise ResponseNotFound(response_id) from None
    if info.dialect != RESPONSES.name or info.kind != Kind.CHAT:
        raise ResponseNotFound(response_id)
    meta = decode_meta(info.meta, ResponseMeta)
    if not meta.stored:
        raise ResponseNotFound(response_id)
    result = None if info.result is None else read_result(info.kind, info.result)
    return Stored(info, meta, result)


async def asked_with(request: Request, response_id: str) -> Kept:
    """What a stored response was asked with."""
    text = await kept(jobs_of(request).redis, response_id)
    if not text:
        raise ResponseNotFound(response_id)
    return unpacked(text)


def sent_items(asked: Kept, response_id: str) -> list[dict[str, Any]]:
    """The items of a stored response's input in JSON, each with an id."""
    found = orjson.loads(bytes(asked.input))
    if isinstance(found, str):
        found = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": found}]}]
    return [_with_id(item, response_id, place) for place, item in enumerate(found or ())]


def _with_id(item: dict[str, Any], response_id: str, place: int) -> dict[str, Any]:
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    found = {**item, "type": kind}
    if not found.get("id"):
        short = "msg" if kind == "message" else "item"
        found["id"] = f"{short}_{response_id.removeprefix(PREFIX)}i{place:02d}"
    return found


class Before:
    """The conversation that a request goes on from, read from the store."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._found: dict[str, Stored] = {}
        self._asked: dict[str, Kept] = {}

    async def items(self, previous: str | None) -> list[InputItem]:
        """The items of a response and of all those before it, in order. Raises InvalidRequest."""
        turns: list[list[InputItem]] = []
        while previous is not None:
            if len(turns) >= 2 * _LONGEST:
                raise _not_found(previous, "goes back too far")
            found, asked = await self._completed(previous)
            turns += [
                _ITEMS.validate_python(found.output()),
                await self.resolved(_ITEMS.validate_python(sent_items(asked, previous))),
            ]
            previous = asked.previous
        if self._found:
            ttl = int(context_of(self._request).settings.result_ttl)
            ended = [each.info for each in self._found.values() if each.info.status.terminal]
            await keep_on(jobs_of(self._request).redis, ended, ttl)
        return [item for turn in reversed(turns) for item in turn]

    async def resolved(self, items: Sequence[InputItem]) -> list[InputItem]:
        """The items with what references mean in their place. Raises NotFound."""
        return [await self._meant(item.id) if isinstance(item, ReferenceItem) else item for item in items]

    async def _completed(self, response_id: str) -> tuple[Stored, Kept]:
        try:
            found = await self._stored(response_id)
            asked = self._asked[response_id] = await asked_with(self._request, response_id)
        except ResponseNotFound:
            raise _not_found(response_id, "not found") from None
        if found.info.status is not JobStatus.COMPLETED:
            raise _not_found(response_id, f"has no answer: it is {found.info.status.value}")
        return found, asked

    async def _stored(self, response_id: str) -> Stored:
        found = self._found.get(response_id)
        if found is None:
            found = self._found[response_id] = await stored(self._request, response_id)
        return found

    async def _meant(self, item_id: str) -> InputItem:
        missing = NotFound(f"Item with id '{item_id[:100]}' not found.", param="input")
        found = _ITEM_ID.fullmatch(item_id)
        if found is None:
            raise missing
        response_id, place = PREFIX + found[1], int(found[3])
        try:
            response = await self._stored(response_id)
            if found[2]:
                items = sent_items(await asked_with(self._request, response_id), response_id)
            else:
                items = response.output()
        except ResponseNotFound:
            raise missing from None
        if place >= len(items) or items[place]["id"] != item_id or items[place]["type"] == "item_reference":
            raise missing
        return _ITEMS.validate_python([items[place]])[0]


async def ask_of(request: Request, body: Body[AnyAsked]) -> Ask:
    """A request with the conversation that it goes on from. Raises InvalidRequest and NotFound."""
    before = Before(request)
    asked = body.value
    earlier = await before.items(asked.previous_response_id)
    asked = asked.model_copy(update={"input": await before.resolved(asked.input)})
    return await body.work(lambda: Ask.of(asked, earlier))


def _not_found(response_id: str, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"Previous response with id '{response_id[:100]}' {what}.",
        param="previous_response_id",
        code="previous_response_not_found",
    )
