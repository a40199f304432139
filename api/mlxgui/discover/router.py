"""`/v1/discover`: models on the hub. Only models for MLX are listed."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.callers.caller import Rights, caller_of
from api.http.openapi import gives
from api.mlxgui.dialect import MLXGUI
from api.mlxgui.discover.render import hub_categories, hub_compatible, hub_details, hub_list
from api.mlxgui.discover.schema import FittingModels, HubCategories, HubDetails, HubList
from api.mlxgui.system.machine import memory
from api.models.hub import Hub
from api.models.search import Search, Sort

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo


async def _not_for_pages(request: Request) -> None:
    """The hub is asked with this machine's token. Raises Forbidden."""
    caller_of(request).need(Rights.USE_INSTALLED, "The hub is asked with this machine's token;")


router = APIRouter(tags=["discover"], dependencies=[Depends(_not_for_pages)])

#: MLX-GUI's words for the hub's orders.
_SORTS: dict[str, Sort] = {
    "downloads": "downloads",
    "likes": "likes",
    "created": "created_at",
    "updated": "last_modified",
    "trending": "trending_score",
}
#: The hub's pipelines of which a model may be to be one of these.
_EMBEDDING = ("feature-extraction", "sentence-similarity")
#: Models that are looked through for those that fit, and for categories.
_MANY = 100
_GIGA = 1024**3

Text = Annotated[str, Query(max_length=200, description="Words that names must have.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Models at most.")]


@router.get(
    "/v1/discover/models",
    summary="Search the hub for models",
    response_class=Response,
    openapi_extra=gives(HubList),
)
async def models(
    request: Request,
    query: Text = "",
    limit: Limit = 20,
    sort: Literal["downloads", "likes", "created", "updated", "trending"] = "downloads",
) -> Response:
    found = await _hub(request).search(Search(query.strip(), _SORTS[sort], limit))
    return json_response(hub_list(found))


@router.get(
    "/v1/discover/popular",
    summary="The most downloaded models",
    response_class=Response,
    openapi_extra=gives(HubList),
)
async def popular(request: Request, limit: Limit = 20) -> Response:
    return json_response(hub_list(await _hub(request).search(Search(limit=limit))))


@router.get(
    "/v1/discover/trending",
    summary="Models that many look at now",
    response_class=Response,
    openapi_extra=gives(HubList),
)
async def trending(request: Request, limit: Limit = 20) -> Response:
    return json_response(hub_list(await _hub(request).search(Search(sort="trending_score", limit=limit))))


@router.get(
    "/v1/discover/categories",
    summary="Models by what they are for",
    response_class=Response,
    openapi_extra=gives(HubCategories),
)
async def categories(request: Request) -> Response:
    hub = _hub(request)
    lists = await asyncio.gather(
        hub.search(Search(limit=_MANY)),
        hub.search(Search(pipeline="image-text-to-text")),
        hub.search(Search(pipeline="any-to-any")),
        hub.search(Search("code")),
    )
    return json_response(hub_categories(*lists))


@router.get(
    "/v1/discover/embeddings",
    summary="Embedding models",
    response_class=Response,
    openapi_extra=gives(HubList),
)
async def embeddings(request: Request, query: Text = "", limit: Limit = 20) -> Response:
    return json_response(hub_list(await _of_pipelines(request, _EMBEDDING, query, limit)))


@router.get(
    "/v1/discover/vision", summary="Models that see", response_class=Response, openapi_extra=gives(HubList)
)
async def vision(request: Request, query: Text = "", limit: Limit = 10) -> Response:
    pipelines = ("image-text-to-text", "any-to-any")
    return json_response(hub_list(await _of_pipelines(request, pipelines, query, limit)))


@router.get(
    "/v1/discover/stt", summary="Models that hear", response_class=Response, openapi_extra=gives(HubList)
)
async def stt(request: Request, query: Text = "", limit: Limit = 10) -> Response:
    pipelines = ("automatic-speech-recognition",)
    return json_response(hub_list(await _of_pipelines(request, pipelines, query, limit)))


@router.get(
    "/v1/discover/compatible",
    summary="Models that fit into memory",
    response_class=Response,
    openapi_extra=gives(FittingModels),
)
async def compatible(
    request: Request,
    query: Text = "",
    max_memory_gb: Annotated[
        float | None, Query(gt=0, le=1_000_000, allow_inf_nan=False, description="Default: what is free now.")
    ] = None,
) -> Response:
    found = await _hub(request).search(Search(query.strip(), limit=_MANY))
    return json_response(hub_compatible(found, max_memory_gb or _available_gb()))


@router.get(
    "/v1/discover/models/{name:path}",
    summary="One model of the hub",
    response_class=Response,
    openapi_extra=gives(HubDetails),
)
async def details(request: Request, name: str) -> Response:
    hub = _hub(request)
    model = await hub.model(name)
    version = None
    if "mlx" not in (model.tags or []) and model.library_name != "mlx":
        made_of_it = await hub.search(Search(tags=("mlx", f"base_model:{model.id}"), limit=1))
        version = made_of_it[0] if made_of_it else None
    return json_response(hub_details(model, version, _available_gb()))


async def _of_pipelines(
    request: Request, pipelines: tuple[str, ...], query: str, limit: int
) -> "list[ModelInfo]":
    """The most downloaded of several of the hub's pipelines."""
    hub = _hub(request)
    lists = await asyncio.gather(
        *(hub.search(Search(query.strip(), limit=limit, pipeline=pipeline)) for pipeline in pipelines)
    )
    found = {model.id: model for models in lists for model in models}
    return sorted(found.values(), key=lambda model: -(model.downloads or 0))[:limit]


def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


def _available_gb() -> float:
    return memory().available / _GIGA


RESOURCE = Resource(MLXGUI, routers=(router,))
