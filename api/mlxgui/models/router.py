"""MLX-GUI's `/v1/models/install`, and the load, unload and health of a model that the path names."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.bodies.body import read_body
from api.http.context import context_of, jobs_of
from api.http.job_options.prefer import preference
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives, takes
from api.mlxgui.dialect import MLXGUI
from api.mlxgui.models.render import model_health
from api.mlxgui.models.schema import InstallRequest, ModelHealth
from api.models.changed import ModelChanged, model_changed
from api.models.downloaded import Downloaded
from api.models.install import install as install_model
from api.models.inventory import find, not_found
from api.models.loading import check_served, load, unload
from api.models.renderers import model_renderers
from api.models.types import WorkerName
from jobs.errors import ModelNotFound
from jobs.kinds import Category
from jobs.meta import LoadMeta
from jobs.results import LoadResult

router = APIRouter(tags=["models"])

#: How MLX-GUI's loading priority is bounded.
Priority = Annotated[
    int, Query(ge=-1000, le=1000, description="Of two loads that wait, the higher goes first.")
]
WhichWorker = Annotated[
    WorkerName | None,
    Query(
        description="The worker that does it, by its name or that of its machine. A load also takes `all`."
    ),
]


@router.post(
    "/v1/models/install",
    summary="Fetch a model and give it a name",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(InstallRequest) | by_job(Downloaded),
)
async def install(request: Request) -> Response:
    body = await read_body(request, InstallRequest)
    wanted = body.value
    preferred = preference(request.headers, background=bool(wanted.background))
    return await install_model(
        request, MLXGUI, wanted.model_id, wanted.name, "model_id", preferred, body.headers
    )


@router.post(
    "/v1/models/{name:path}/load",
    summary="Load a model, as MLX-GUI's clients ask for it",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=by_job(ModelChanged),
)
async def load_named(
    request: Request, name: str, priority: Priority = 0, worker: WhichWorker = None
) -> Response:
    context = context_of(request)
    try:
        ref = await context.at_hand(await context.look_up(jobs_of(request), name))
    except ModelNotFound:
        raise not_found(name) from None
    category = Category(ref.category or "llm")
    await check_served(jobs_of(request), category)
    meta = LoadMeta(model=ref.id, message=f"Model '{name}' loaded successfully", model_type=category.value)
    return await load(
        request,
        MLXGUI,
        category,
        ref,
        meta,
        preference(request.headers),
        priority=priority,
        worker=worker,
    )


@router.post(
    "/v1/models/{name:path}/unload",
    summary="Unload a model, as MLX-GUI's clients ask for it",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=by_job(ModelChanged),
)
async def unload_named(request: Request, name: str, worker: WhichWorker = None) -> Response:
    entry = await find(context_of(request), jobs_of(request), name)
    done = f"Model '{name}' unloaded successfully"
    meta = LoadMeta(model=entry.id, message=done, model_type=entry.category)
    if not entry.loaded and entry.state != "loading":
        meta = msgspec.structs.replace(meta, message=f"Model '{name}' was not loaded")
        return json_response(model_changed(None, meta, LoadResult(status="not_loaded")))
    return await unload(
        request,
        MLXGUI,
        Category(entry.category),
        entry.id,
        meta,
        preference(request.headers),
        worker=worker,
    )


@router.get(
    "/v1/models/{name:path}/health",
    summary="Would it answer at once?",
    response_class=Response,
    openapi_extra=gives(ModelHealth),
)
async def health(request: Request, name: str) -> Response:
    return json_response(model_health(await find(context_of(request), jobs_of(request), name)))


RESOURCE = Resource(MLXGUI, routers=(router,), renderers=model_renderers(MLXGUI))
