"""`/v1/files`: upload, list, read and delete files.

A file's id is a secret, as a job's is. With keys, each sees its own files; without them, listing is for the user of
the machine.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.datastructures import UploadFile

from api.batches.creation import may_store
from api.dispatch.resource import Resource
from api.dispatch.stored_content import content_response
from api.http.answers.json_response import json_response
from api.http.bodies.form import FormLimits, is_form, read_form
from api.http.callers.caller import caller_of
from api.http.context import context_of, jobs_of
from api.http.middleware.security import listed_owner
from api.http.openapi import gives, gives_bytes, takes_form
from api.openai.dialect import OPENAI
from api.openai.files.schema import DeletedFile, FileList, FileObject, FileRequest, shown
from jobs.batches import BatchStore
from jobs.blobs import STORED
from jobs.errors import Conflict, InsufficientStorage, InvalidRequest, NotFound, PayloadTooLarge
from jobs.files import FileStore, Part, StoredFile, new_file_id
from jobs.pages import UnknownCursor
from jobs.redis.clock import CLOCK

router = APIRouter(tags=["files"])

FileId = Annotated[str, Path(max_length=100)]

_LIMITS = FormLimits(files=1, fields=32, field_bytes=4_096, holders=("file",))
_LONGEST_NAME = 255
_PIECE = 1 << 20
_FILE = {"type": "string", "format": "binary"}


@router.post(
    "/v1/files",
    summary="Store a file",
    response_class=Response,
    openapi_extra=takes_form(FileRequest, {"file": _FILE}, ("file",)) | gives(FileObject),
)
async def create_file(request: Request) -> Response:
    may_store(request)
    if not await is_form(request):
        raise InvalidRequest("A file is sent as a form (multipart/form-data).", param="file")
    form = await read_form(request, _LIMITS)
    try:
        body = form.body(FileRequest, frozenset())
        file = next(iter(form.files("file")), None)
        if not isinstance(file, UploadFile):
            raise InvalidRequest(
                "Missing required parameter: 'file'.", param="file", code="missing_required_parameter"
            )
        record = await _stored(request, file, body.value)
    finally:
        await form.close()
    return json_response(shown(record), headers=body.headers)


async def _stored(request: Request, file: UploadFile, wanted: FileRequest) -> StoredFile:
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
        purpose=wanted.purpose,
        owner=caller_of(request).owner,
        created_at=now,
        expires_at=None if wanted.ttl is None else now + wanted.ttl,
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


@router.get("/v1/files", summary="List files", response_class=Response, openapi_extra=gives(FileList))
async def list_files(
    request: Request,
    purpose: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
    after: Annotated[str | None, Query(max_length=100, description="The last id of the page before.")] = None,
) -> Response:
    owner = await listed_owner(request)
    files = FileStore(jobs_of(request).redis)
    try:
        found, more = await files.page(owner, purpose, limit=limit, after=after, oldest_first=order == "asc")
    except UnknownCursor:
        raise InvalidRequest(f"No file with id '{after}' to go on after.", param="after") from None
    body: FileList = {
        "object": "list",
        "data": [shown(record) for record in found],
        "first_id": found[0].id if found else None,
        "last_id": found[-1].id if found else None,
        "has_more": more,
    }
    return json_response(body)


@router.get("/v1/files/{file_id}", summary="A file", response_class=Response, openapi_extra=gives(FileObject))
async def get_file(request: Request, file_id: FileId) -> Response:
    return json_response(shown(await _visible(request, file_id)))


@router.get(
    "/v1/files/{file_id}/content",
    summary="The content of a file",
    response_class=Response,
    openapi_extra=gives_bytes("application/octet-stream"),
)
async def get_content(request: Request, file_id: FileId) -> Response:
    """Of a file that a batch writes, what it has so far."""
    record = await _visible(request, file_id)
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(record.filename, safe='')}"}
    files = FileStore(jobs_of(request).redis)
    return await content_response(
        files, context_of(request).blobs, record.id, headers, "application/octet-stream"
    )


@router.delete(
    "/v1/files/{file_id}",
    summary="Delete a file",
    response_class=Response,
    openapi_extra=gives(DeletedFile),
)
async def delete_file(request: Request, file_id: FileId) -> Response:
    """A batch that was made of it goes on. 409 for a file that a batch still writes."""
    record = await _visible(request, file_id)
    redis = jobs_of(request).redis
    if record.batch:
        batch = await BatchStore(redis).get(record.batch)
        if batch is not None and not batch.status.ended:
            raise Conflict(f"The batch '{record.batch}' still writes this file: cancel it first.")
    await FileStore(redis).drop(record.id)
    body: DeletedFile = {"id": record.id, "object": "file", "deleted": True}
    return json_response(body)


async def _visible(request: Request, file_id: str) -> StoredFile:
    record = await FileStore(jobs_of(request).redis).get(file_id)
    if record is None or not caller_of(request).sees(record.owner):
        raise NotFound(f"No file with id '{file_id}'.", param="id")
    return record


RESOURCE = Resource(OPENAI, routers=(router,), large={"/v1/files": lambda settings: settings.max_file_bytes})
