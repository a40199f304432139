"""`/v1/files`: upload, list, read and delete files."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.openapi import gives, gives_bytes, takes_form
from api.openai.dialect import OPENAI
from api.openai.files.schema import DeletedFile, FileList, FileObject, FileRequest, shown
from api.openai.files.stored import content, dropped, listed, upload, visible

router = APIRouter(tags=["files"])

FileId = Annotated[str, Path(max_length=100)]

_FILE = {"type": "string", "format": "binary"}


@router.post(
    "/v1/files",
    summary="Store a file",
    response_class=Response,
    openapi_extra=takes_form(FileRequest, {"file": _FILE}, ("file",)) | gives(FileObject),
)
async def create_file(request: Request) -> Response:
    async with upload(request, FileRequest) as (body, keep):
        record = await keep(body.value.purpose, body.value.ttl)
    return json_response(shown(record), headers=body.headers)


@router.get("/v1/files", summary="List files", response_class=Response, openapi_extra=gives(FileList))
async def list_files(
    request: Request,
    purpose: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
    after: Annotated[str | None, Query(max_length=100, description="The last id of the page before.")] = None,
) -> Response:
    found, more = await listed(request, purpose, limit=limit, after=after, oldest_first=order == "asc")
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
    return json_response(shown(await visible(request, file_id)))


@router.get(
    "/v1/files/{file_id}/content",
    summary="The content of a file",
    response_class=Response,
    openapi_extra=gives_bytes("application/octet-stream"),
)
async def get_content(request: Request, file_id: FileId) -> Response:
    """Of a file that a batch writes, what it has so far."""
    return await content(request, await visible(request, file_id))


@router.delete(
    "/v1/files/{file_id}",
    summary="Delete a file",
    response_class=Response,
    openapi_extra=gives(DeletedFile),
)
async def delete_file(request: Request, file_id: FileId) -> Response:
    """A batch that was made of it goes on. 409 for a file that a batch still writes."""
    body: DeletedFile = {"id": await dropped(request, file_id), "object": "file", "deleted": True}
    return json_response(body)


RESOURCE = Resource(OPENAI, routers=(router,), large={"/v1/files": lambda settings: settings.max_file_bytes})
