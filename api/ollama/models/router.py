"""Ollama's lists of models, their downloads and their deletion."""

from fastapi import APIRouter, Depends, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.bodies.body import read_body
from api.http.context import context_of, jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives, gives_text, streams_lines, takes
from api.models.entry import ModelEntry
from api.models.inventory import inventory
from api.models.removal import remove
from api.ollama.dialect import OLLAMA, OllamaError, here, not_found
from api.ollama.models import create
from api.ollama.models.answer import LoadedList, Pulling, Shown, Tags, Version
from api.ollama.models.pull import pull, pulled
from api.ollama.models.render import loaded, shown, tag
from api.ollama.models.request import NamedModel, PullRequest
from jobs.errors import ModelNotFound, NotSupported
from jobs.kinds import Category, Kind
from jobs.meta import DownloadMeta
from mlxq.catalog import plain_name

#: The version of Ollama's API that this is: clients ask whether it is new enough.
API_VERSION = "0.14.0"

router = APIRouter(tags=["ollama"])


@router.get("/api/version", summary="Ollama's version", response_class=Response, openapi_extra=gives(Version))
async def version(request: Request) -> Response:
    answer: Version = {"version": API_VERSION}
    return json_response(answer)


@router.get(
    "/api/tags", summary="List models, in Ollama's shape", response_class=Response, openapi_extra=gives(Tags)
)
async def tags(request: Request) -> Response:
    entries = [each for each in await inventory(context_of(request), jobs_of(request)) if _is_served(each)]
    rows = [tag(each, _capabilities(each)) for each in entries]
    rows += [
        tag(each, _capabilities(each), name) for each in entries for name in each.aliases if name != each.id
    ]
    found: Tags = {"models": rows}
    return json_response(found)


@router.get("/api/ps", summary="List loaded models", response_class=Response, openapi_extra=gives(LoadedList))
async def running(request: Request) -> Response:
    entries = await inventory(context_of(request), jobs_of(request))
    found: LoadedList = {"models": [loaded(each) for each in entries if each.loaded and _is_served(each)]}
    return json_response(found)


@router.post(
    "/api/show",
    summary="What is known of a model",
    response_class=Response,
    openapi_extra=takes(NamedModel) | gives(Shown),
)
async def show(request: Request) -> Response:
    body = await read_body(request, NamedModel)
    entry = await here(request, body.value.said)
    return json_response(shown(entry, _capabilities(entry)), headers=body.headers)


@router.post(
    "/api/pull",
    summary="Fetch a model, in Ollama's shape",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(PullRequest) | by_job(Pulling) | streams_lines(Pulling),
)
async def pull_model(request: Request) -> Response:
    body = await read_body(request, PullRequest)
    return await pull(request, body.value.said, streamed=body.value.stream, headers=body.headers)


@router.delete(
    "/api/delete",
    summary="Delete a model, in Ollama's shape",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(NamedModel) | gives_text("text/plain"),
)
async def delete(request: Request) -> Response:
    body = await read_body(request, NamedModel)
    name = body.value.said
    try:
        await remove(context_of(request), jobs_of(request), plain_name(name), request.receive, files=True)
    except ModelNotFound:
        raise not_found(name) from None
    return Response(headers=body.headers, media_type="text/plain")


async def unsupported(request: Request) -> Response:
    """Not there."""
    raise NotSupported(
        "This is not supported here: models are folders of MLX weights. They are pulled by name, and /api/create "
        "makes others of them."
    )


for path in ("/api/push", "/api/blobs/{digest}"):
    router.add_api_route(
        path,
        unsupported,
        methods=["POST"],
        summary="Not supported",
        status_code=501,
        response_class=Response,
        openapi_extra=gives(OllamaError, 501, "Not supported"),
    )


def _is_served(entry: ModelEntry) -> bool:
    """Whether this API has something to do with it."""
    return entry.category in (Category.LLM, Category.EMBEDDING) and not entry.ranks


def _capabilities(entry: ModelEntry) -> list[str]:
    if entry.category == Category.EMBEDDING:
        return ["embedding"]
    found = ["completion", "tools"]
    if entry.sees:
        found.append("vision")
    if entry.card is not None and entry.card.thinks:
        found.append("thinking")
    return found


RESOURCE = Resource(
    OLLAMA,
    routers=(router, create.router),
    renderers=(Renderer(OLLAMA, Kind.DOWNLOAD, DownloadMeta, pulled),),
)
