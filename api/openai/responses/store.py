"""Stored responses, and the items that they were asked with.

A response is its job: it is stored as long as the job's record, and longer while conversations go on from it
(`before.py`).
"""

import asyncio
import base64
import zlib
from typing import Any

import msgspec
import orjson
from starlette.requests import Request

from api.dispatch.ownership import visible_job
from api.http.bodies.body import apart
from api.http.context import jobs_of
from api.openai.responses.dialect import PREFIX, RESPONSES, ResponseNotFound
from api.openai.responses.render import ResponseMeta
from jobs.errors import JobNotFound
from jobs.info import JobInfo
from jobs.kept import kept
from jobs.kinds import Kind, read_result
from jobs.meta import decode_meta
from jobs.results import TextResult

#: Characters of items above which they are kept compressed.
_LARGE = 2_048
#: What they begin with where they are not.
_PLAIN = "{"


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
    return _KEPT.decode(data if text.startswith(_PLAIN) else zlib.decompress(base64.b85decode(data)))


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
    # What is compressed may be large.
    return unpacked(text) if text.startswith(_PLAIN) else await asyncio.to_thread(unpacked, text)


async def input_of(request: Request, response_id: str) -> list[dict[str, Any]]:
    """The items that a stored response was asked with, in JSON, each with an id."""
    asked = await asked_with(request, response_id)
    return await apart(len(bytes(asked.input)), lambda: sent_items(asked, response_id))


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
