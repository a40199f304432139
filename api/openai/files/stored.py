"""What can be done with stored files, also in dialects that have OpenAI's files in other shapes.

A file's id is a secret, as a job's is. With keys, each sees its own files; without them, listing is for the user of
the machine.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import PurePath
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from api.batches.creation import may_store
from api.dispatch.stored_content import content_response
from api.http.bodies.body import Body, Model
from api.http.bodies.form import FormLimits, is_form, read_form
from api.http.callers.caller import caller_of
from api.http.context import context_of, jobs_of
from api.http.middleware.security import listed_owner
from jobs.batches import BatchStore
from jobs.blobs import STORED
from jobs.errors import Conflict, InsufficientStorage, InvalidRequest, NotFound, PayloadTooLarge
from jobs.files import FileStore, Part, StoredFile, new_file_id
from jobs.pages import UnknownCursor
from jobs.redis.clock import CLOCK

_LIMITS = FormLimits(files=1, fields=32, field_bytes=4_096, holders=("file",))
_LONGEST_NAME = 255
_PIECE = 1 << 20

#: Keeps the file of a form, for a purpose, and for some seconds or until it is deleted.
Keep = Callable[[str, int | None], Awaitable[StoredFile]]


@asynccontextmanager
async def upload(request: Request, model: type[Model]) -> AsyncIterator[tuple[Body[Model], Keep]]:
    """The fields of a form beside its file, and what keeps that. Raises InvalidRequest."""
    may_store(request)
    if not await is_form(request):
        raise InvalidRequest("A file is sent as a form (multipart/form-data).", param="file")
    form = await read_form(request, _LIMITS)
    try:
        body = form.body(model, frozenset())
        file = next(iter(form.files("file")), None)
        if not isinstance(file, UploadFile):
            raise InvalidRequest(
                "Missing required parameter: 'file'.", param="file", code="missing_required_parameter"
            )
        yield body, lambda purpose, ttl: _keep(request, file, purpose, ttl)
    finally:
        await form.close()


async def _keep(request: Request, file: UploadFile, purpose: str, ttl: int | None) -> StoredFile:
    context, now = context_of(request), int(CLOCK.now())
    size, longest = 0, context.settings.max_file_bytes

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal size
        while piece := await file.read(_PIECE):
            size += len(piece)
            if size > longest:
                raise PayloadTooLarge(f"The file is larger than {longest / 1024 / 1024:g} MB.", param="file")
            yield piece

    blob = await context.blobs.put_stream(pieces(), STORED)
    record = StoredFile(
        id=new_file_id(),
        filename=_plain_name(file.filename or ""),
        purpose=purpose,
        owner=caller_of(request).owner,
        created_at=now,
        expires_at=None if ttl is None else now + ttl,
        bytes=size,
    )
    most = context.settings.max_files
    if not await FileStore(jobs_of(request).redis).put(record, Part(blob, size), most):
        await asyncio.to_thread(context.blobs.delete, blob)
        raise InsufficientStorage(f"{most} files are stored, which is the most (MAX_FILES): delete some.")
    return record


def _plain_name(name: str) -> str:
    """The name without folders and what can't be shown."""
    last = PurePath(name.replace("\\", "/")).name
    return "".join(character for character in last if character.isprintable())[:_LONGEST_NAME] or "file"


async def listed(
    request: Request,
    purpose: str | None = None,
    *,
    limit: int,
    after: str | None,
    cursor: str = "after",
    oldest_first: bool = False,
) -> tuple[list[StoredFile], bool]:
    """Files of the caller, and whether there are more. Raises InvalidRequest for an unknown `cursor`."""
    owner = await listed_owner(request)
    files = FileStore(jobs_of(request).redis)
    try:
        return await files.page(owner, purpose, limit=limit, after=after, oldest_first=oldest_first)
    except UnknownCursor:
        raise InvalidRequest(f"No file with id '{after}' to go on after.", param=cursor) from None


async def visible(request: Request, file_id: str) -> StoredFile:
    """Raises NotFound where there is none, or it is of another key."""
    record = await FileStore(jobs_of(request).redis).get(file_id)
    if record is None or not caller_of(request).sees(record.owner):
        raise NotFound(f"No file with id '{file_id}'.", param="id")
    return record


async def content(request: Request, record: StoredFile) -> Response:
    """Of a file that a batch writes, what it has so far."""
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(record.filename, safe='')}"}
    files = FileStore(jobs_of(request).redis)
    return await content_response(
        files, context_of(request).blobs, record.id, headers, "application/octet-stream"
    )


async def dropped(request: Request, file_id: str) -> str:
    """The id of a file that is deleted now. Raises Conflict for one that a batch still writes."""
    record = await visible(request, file_id)
    redis = jobs_of(request).redis
    if record.batch:
        batch = await BatchStore(redis).get(record.batch)
        if batch is not None and not batch.status.ended:
            raise Conflict(f"The batch '{record.batch}' still writes this file: cancel it first.")
    await FileStore(redis).drop(record.id)
    return record.id
