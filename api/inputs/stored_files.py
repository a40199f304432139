"""Parts of messages that name a stored file by its id: they get its bytes, as if the client had sent them again."""

import asyncio
import base64

from starlette.requests import Request

from api.http.callers.caller import caller_of
from api.http.context import context_of, jobs_of
from jobs.errors import BlobGone, NotFound, PayloadTooLarge
from jobs.files import FileStore
from jobs.payloads import Message


async def read_stored(request: Request, messages: list[Message]) -> None:
    """Put the content of each named file in its part. Raises NotFound and PayloadTooLarge, which name the part.

    An id is short and what it names may be large: together they have the room of one body.
    """
    room = context_of(request).settings.max_body_bytes
    for number, message in enumerate(messages):
        content = message["content"]
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if (file_id := part.pop("file_id", None)) is None:
                continue
            name, data = await _read(
                request, file_id, part.get("place", f"messages[{number}].content[{place}]"), room
            )
            room -= len(data)
            text = (await asyncio.to_thread(base64.b64encode, data)).decode()
            if part["type"] == "file":
                part.setdefault("name", name)
                part["data"] = text
            else:
                part["url"] = f"data:;base64,{text}"


async def _read(request: Request, file_id: str, place: str, room: int) -> tuple[str, bytes]:
    """The name and the bytes of a file that the caller may see."""
    context, files = context_of(request), FileStore(jobs_of(request).redis)
    record = await files.get(file_id)
    if record is None or not caller_of(request).sees(record.owner):
        raise _missing(file_id, place)
    parts = await files.parts(file_id)
    if sum(part.size for part in parts) > room:
        raise PayloadTooLarge(
            f"The files of the request are larger than {context.settings.max_body_bytes / 2**20:g} MB together.",
            param=place,
        )
    try:
        pieces = [await asyncio.to_thread(context.blobs.read, part.blob) for part in parts]
    except BlobGone:
        raise _missing(file_id, place) from None
    return record.filename, b"".join(pieces)


def _missing(file_id: str, place: str) -> NotFound:
    return NotFound(f"No file with id '{file_id[:100]}'.", param=place)
