"""LM Studio's lists of models, of both versions of its API, and their loads and unloads."""

from fastapi import APIRouter, Depends, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.dispatch.submission import model_of
from api.http.answers.json_response import json_response
from api.http.bodies.body import read_body
from api.http.context import context_of, jobs_of
from api.http.job_options.prefer import preference
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives, takes
from api.lmstudio.dialect import LMSTUDIO
from api.lmstudio.models.render import (
    LmStudioLoadMeta,
    is_served,
    kind,
    loaded,
    model,
    model_v1,
    unloaded,
)
from api.lmstudio.models.schema import (
    LmStudioLoaded,
    LmStudioLoadRequest,
    LmStudioModel,
    LmStudioModels,
    LmStudioModelsV1,
    LmStudioUnloaded,
    LmStudioUnloadRequest,
)
from api.models.entry import ModelEntry
from api.models.inventory import find, inventory, not_found
from api.models.loading import load as load_model
from api.models.loading import unload as unload_model
from jobs.kinds import Category, Kind

router = APIRouter(tags=["lmstudio"])


@router.get(
    "/api/v0/models",
    summary="List models, in LM Studio's shape",
    response_class=Response,
    openapi_extra=gives(LmStudioModels),
)
async def models(request: Request) -> Response:
    found: LmStudioModels = {"object": "list", "data": [model(each) for each in await _served(request)]}
    return json_response(found)


@router.get(
    "/api/v0/models/{name:path}",
    summary="One model, in LM Studio's shape",
    response_class=Response,
    openapi_extra=gives(LmStudioModel),
)
async def one_model(request: Request, name: str) -> Response:
    return json_response(model(await _find(request, name)))


@router.get(
    "/api/v1/models",
    summary="List models, in the shape of LM Studio's API of version 1",
    response_class=Response,
    openapi_extra=gives(LmStudioModelsV1),
)
async def models_v1(request: Request) -> Response:
    found: LmStudioModelsV1 = {"models": [model_v1(each) for each in await _served(request)]}
    return json_response(found)


@router.post(
    "/api/v1/models/load",
    summary="Load a model, as LM Studio's clients ask for it",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(LmStudioLoadRequest) | by_job(LmStudioLoaded),
)
async def load(request: Request) -> Response:
    body = await read_body(request, LmStudioLoadRequest)
    entry = await _find(request, body.value.model)
    category = Category(entry.category)
    meta = LmStudioLoadMeta(
        model=entry.id,
        message="",
        model_type=entry.category,
        type=kind(entry),
        context_length=(entry.context_length or 0) if body.value.echo_load_config else None,
    )
    ref = await model_of(request, entry.id, category)
    preferred = preference(request.headers)
    return await load_model(request, LMSTUDIO, category, ref, meta, preferred, headers=body.headers)


@router.post(
    "/api/v1/models/unload",
    summary="Unload a model, as LM Studio's clients ask for it",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(LmStudioUnloadRequest) | by_job(LmStudioUnloaded),
)
async def unload(request: Request) -> Response:
    body = await read_body(request, LmStudioUnloadRequest)
    entry = await _find(request, body.value.instance_id)
    meta = LmStudioLoadMeta(model=entry.id, message="", model_type=entry.category, type=kind(entry))
    category = Category(entry.category)
    return await unload_model(request, LMSTUDIO, category, entry.id, meta, preference(request.headers))


async def _served(request: Request) -> list[ModelEntry]:
    entries = await inventory(context_of(request), jobs_of(request))
    return [each for each in entries if is_served(each)]


async def _find(request: Request, name: str) -> ModelEntry:
    """Raises ModelNotFound, also for models of other kinds."""
    entry = await find(context_of(request), jobs_of(request), name)
    if not is_served(entry):
        raise not_found(name)
    return entry


RESOURCE = Resource(
    LMSTUDIO,
    routers=(router,),
    renderers=(
        Renderer(LMSTUDIO, Kind.LOAD, LmStudioLoadMeta, loaded),
        Renderer(LMSTUDIO, Kind.UNLOAD, LmStudioLoadMeta, unloaded),
    ),
)
