"""`/v1/files` for clients that send `anthropic-version`: OpenAI has the same address, and the same files."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.anthropic.dialect import ANTHROPIC
from api.anthropic.files.schema import (
    AnthropicFileRequest,
    DeletedAnthropicFile,
    FileMetadata,
    FileMetadataPage,
    metadata,
)
from api.anthropic.route import AnthropicRoute, named
from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.openapi import gives, gives_bytes
from api.openai.files.stored import content, dropped, listed, upload, visible

FileId = Annotated[str, Path(max_length=100)]
Cursor = Annotated[str | None, Query(max_length=100)]


#: OpenAI's routes of these addresses are the ones that `/openapi.json` describes.
router = APIRouter(
    tags=["files"], route_class=AnthropicRoute, include_in_schema=False, dependencies=[Depends(named)]
)


@router.post("/v1/files", response_class=Response, openapi_extra=gives(FileMetadata))
async def create_file(request: Request) -> Response:
    async with upload(request, AnthropicFileRequest) as (body, keep):
        record = await keep("user_data", body.value.expires_in_seconds)
    return json_response(metadata(record), headers=body.headers)


@router.get("/v1/files", response_class=Response, openapi_extra=gives(FileMetadataPage))
async def list_files(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 20,
    page: Cursor = None,
    after_id: Cursor = None,
) -> Response:
    """Newest first."""
    cursor = "page" if page is not None else "after_id"
    found, more = await listed(request, limit=limit, after=page or after_id, cursor=cursor)
    body: FileMetadataPage = {
        "data": [metadata(record) for record in found],
        "next_page": found[-1].id if more else None,
        "has_more": more,
        "first_id": found[0].id if found else None,
        "last_id": found[-1].id if found else None,
    }
    return json_response(body)


@router.get("/v1/files/{file_id}", response_class=Response, openapi_extra=gives(FileMetadata))
async def get_file(request: Request, file_id: FileId) -> Response:
    return json_response(metadata(await visible(request, file_id)))


@router.get(
    "/v1/files/{file_id}/content",
    response_class=Response,
    openapi_extra=gives_bytes("application/octet-stream"),
)
async def get_content(request: Request, file_id: FileId) -> Response:
    return await content(request, await visible(request, file_id))


@router.delete("/v1/files/{file_id}", response_class=Response, openapi_extra=gives(DeletedAnthropicFile))
async def delete_file(request: Request, file_id: FileId) -> Response:
    """409 for a file that a batch still writes."""
    body: DeletedAnthropicFile = {"id": await dropped(request, file_id), "type": "file_deleted"}
    return json_response(body)


RESOURCE = Resource(ANTHROPIC, routers=(router,))
