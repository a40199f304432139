"""`/v1/hub`: which models of the hub fit this machine, and which are recommended."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from fastapi import APIRouter, Depends, Query, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.callers.caller import Rights, caller_of
from api.http.context import context_of, jobs_of
from api.http.openapi import gives
from api.models.hub import Hub
from api.models.hub_size import memory_bytes, weight_bytes
from api.models.search import Search
from api.native.dialect import NATIVE
from api.native.hub.schema import (
    FoundModel,
    FoundModels,
    ModelCategory,
    RecommendedModel,
    RecommendedModels,
)
from jobs.kinds import Category
from mlxq.catalog.usual import RECOMMENDED, Advice

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo


async def _not_for_pages(request: Request) -> None:
    """The hub is asked with this machine's token. Raises Forbidden."""
    caller_of(request).need(Rights.USE_INSTALLED, "The hub is asked with this machine's token;")


router = APIRouter(tags=["models"], dependencies=[Depends(_not_for_pages)])

_GIGA = 1024**3
#: The hub's pipelines of each category; the first one is asked for.
_PIPELINES: dict[ModelCategory, tuple[str, ...]] = {
    "llm": ("text-generation", "image-text-to-text", "any-to-any"),
    "asr": ("automatic-speech-recognition",),
    "tts": ("text-to-speech", "text-to-audio"),
    "image": ("text-to-image", "image-to-image"),
    "embedding": ("feature-extraction", "sentence-similarity", "text-ranking"),
}


@router.get(
    "/v1/hub/models",
    summary="Search the hub, and see what fits this machine",
    response_class=Response,
    openapi_extra=gives(FoundModels),
)
async def models(
    request: Request,
    query: Annotated[str, Query(max_length=200, description="Words that names must have.")] = "",
    category: ModelCategory | None = None,
    sort: Literal["downloads", "likes", "last_modified", "trending_score"] = "downloads",
    limit: Annotated[int, Query(ge=1, le=100, description="Models at most.")] = 30,
) -> Response:
    """Models for MLX only."""
    hub: Hub = request.app.state.hub
    pipeline = None if category is None else _PIPELINES[category][0]
    found = await hub.search(Search(query.strip(), sort, limit, pipeline=pipeline))
    memory, here = await _memory(request), await _installed(request)
    body: FoundModels = {
        "object": "list",
        "data": [_row(model, memory, here) for model in found],
        "memory_bytes": memory,
    }
    return json_response(body)


@router.get(
    "/v1/hub/recommended",
    summary="Models that are recommended for this machine",
    response_class=Response,
    openapi_extra=gives(RecommendedModels),
)
async def recommended(request: Request) -> Response:
    """The hub is not asked."""
    memory, here = await _memory(request), await _installed(request)
    rows: list[RecommendedModel] = []
    for name in get_args(ModelCategory):
        candidates = RECOMMENDED[Category(name)]
        best = next((each for each in candidates if each.memory * _GIGA <= memory), candidates[-1])
        rows += [
            {
                "id": each.model,
                "category": name,
                "size": each.size,
                "memory_bytes": int(each.memory * _GIGA),
                "fits": each.memory * _GIGA <= memory,
                "best": each is best,
                "installed": each.model in here,
            }
            for each in candidates
        ]
    body: RecommendedModels = {"object": "list", "data": rows, "memory_bytes": memory}
    return json_response(body)


def _row(model: "ModelInfo", memory: int, here: frozenset[str]) -> FoundModel:
    size, needed = weight_bytes(model), memory_bytes(model)
    category = next((name for name, each in _PIPELINES.items() if model.pipeline_tag in each), None)
    return {
        "id": model.id,
        "category": category,
        "size_bytes": None if size is None else int(size),
        "memory_bytes": None if needed is None else int(needed),
        "fits": None if needed is None else needed <= memory,
        "installed": model.id in here,
        "downloads": model.downloads or 0,
        "likes": model.likes or 0,
        "updated_at": int(model.last_modified.timestamp()) if model.last_modified else None,
    }


async def _memory(request: Request) -> int:
    """Bytes that models may take: by the GPU of a worker, else by this machine's memory."""
    settings = context_of(request).settings
    devices = [worker.device for worker in await jobs_of(request).workers() if worker.device]
    known = max((device.memory_bytes for device in devices), default=0)
    if settings.memory_budget_gb or not known:
        return int(Advice(settings).memory * _GIGA)
    return known


async def _installed(request: Request) -> frozenset[str]:
    catalog = await context_of(request).models.catalog(jobs_of(request))
    models = await asyncio.to_thread(lambda: tuple(catalog.installed()))
    return frozenset(model.id for model in models)


RESOURCE = Resource(NATIVE, routers=(router,))
