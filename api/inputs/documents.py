"""Documents in chats: `file` parts become text, with the file's name before it."""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from api.http.bodies.base64_text import base64_in, from_base64
from api.http.outgoing.errors import FetchError
from config.settings import Settings
from jobs.errors import InvalidRequest
from jobs.payloads import Message
from mlxq.media.documents import UnreadableDocument, document_text

#: Documents of a request, characters of their texts together, and seconds that it takes to read all of them.
MOST_DOCUMENTS, MOST_TEXT, LONGEST = 50, 8_000_000, 60.0
_SCHEMES = ("http://", "https://")
#: As many PDFs are read at the same time, each by a process.
_POOL = ThreadPoolExecutor(2, thread_name_prefix="documents")


async def settle_documents(settings: Settings, messages: list[Message]) -> None:
    """Put the text of each document in its place. Raises InvalidRequest, which names the part."""
    found = [
        (message, part, part.get("place") or f"messages[{number}].content[{place}]")
        for number, message in enumerate(messages)
        if isinstance(message["content"], list)
        for place, part in enumerate(message["content"])
        if part["type"] == "file"
    ]
    if len(found) > MOST_DOCUMENTS:
        raise InvalidRequest(f"A request may have {MOST_DOCUMENTS} files at most.", param=found[-1][2])
    room, patience = MOST_TEXT, LONGEST
    for _, part, place in found:
        if patience <= 0:
            raise _refused("it takes too long to read the files before it", place)
        text, seconds = await _text(part["data"], place, settings)
        room, patience = room - len(text), patience - seconds
        if room < 0:
            raise _refused(f"the files have more than {MOST_TEXT:,} characters together", place)
        name = part.get("name")
        part.clear()
        part.update(type="text", text=f"{name}:\n\n{text}\n\n" if name else f"{text}\n\n")
    for message, _, _ in found:
        content = message["content"]
        if isinstance(content, list) and all(part["type"] == "text" for part in content):
            message["content"] = "".join(part["text"] for part in content)


async def _text(source: str, place: str, settings: Settings) -> tuple[str, float]:
    """The text, and the seconds that it took to read it."""
    try:
        async with _bytes(source, settings) as data:
            return await asyncio.get_running_loop().run_in_executor(_POOL, _timed, data)
    except (FetchError, UnreadableDocument) as error:
        raise _refused(str(error), place) from error


def _timed(data: bytes) -> tuple[str, float]:
    began = time.monotonic()
    return document_text(data), time.monotonic() - began


def _refused(reason: str, place: str) -> InvalidRequest:
    return InvalidRequest(f"The file at {place} can't be used: {reason}.", param=place, code="invalid_file")


@asynccontextmanager
async def _bytes(source: str, settings: Settings) -> AsyncIterator[bytes]:
    """Base64, a data: URL, or what lies at an address."""
    if source[:8].lower().startswith(_SCHEMES):
        from api.http.outgoing.fetch import fetch

        async with fetch(
            source,
            limit=settings.max_body_bytes,
            timeout=settings.image_fetch_timeout,
            private=settings.allow_private_urls,
        ) as data:
            yield data
        return
    try:
        data = await asyncio.to_thread(lambda: from_base64(base64_in(source)))
    except ValueError:
        raise UnreadableDocument("it is not in base64") from None
    yield data
