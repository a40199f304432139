"""`/v1/models/download`, `/v1/models/install` and the deletion of a model."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.dispatch.resource import Resource
from api.http.body import read_body
from api.http.context import context_of, jobs_of
from api.http.json_response import json_response
from api.http.openapi import takes
from api.http.prefer import preference
from api.http.security import at_the_machine
from api.mlxgui.downloads.schema import DownloadRequest, InstallRequest, deleted
from api.models.install import install as install_model
from api.models.removal import remove

router = APIRouter(tags=["models"])


@router.post(
    "/v1/models/download",
    summary="Fetch a model from its hub",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(DownloadRequest),
)
async def download(request: Request) -> Response:
    body = await read_body(request, DownloadRequest)
    wanted = body.value
    preferred = preference(request.headers, background=bool(wanted.background))
    return await install_model(request, wanted.repo_id, None, "repo_id", preferred, body.headers)


@router.post(
    "/v1/models/install",
    summary="Fetch a model and give it a name",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(InstallRequest),
)
async def install(request: Request) -> Response:
    body = await read_body(request, InstallRequest)
    wanted = body.value
    preferred = preference(request.headers, background=bool(wanted.background))
    return await install_model(request, wanted.model_id, wanted.name, "model_id", preferred, body.headers)


@router.delete(
    "/v1/models/{name:path}",
    summary="Delete a model",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
)
async def delete(
    request: Request,
    name: str,
    remove_files: Annotated[bool, Query(description="Delete its files too.")] = True,
) -> Response:
    """409 while jobs need it. Ids may contain slashes, plain or as %2F."""
    await remove(context_of(request), jobs_of(request), name, request.receive, files=remove_files)
    return json_response(deleted(name, removed_files=remove_files))


RESOURCE = Resource(routers=(router,))
