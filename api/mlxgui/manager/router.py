"""`/v1/manager`: the models and the queue for MLX-GUI's pages."""

from fastapi import APIRouter, Depends, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.bodies.body import read_body
from api.http.context import context_of, jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives, takes
from api.mlxgui.dialect import MLXGUI
from api.mlxgui.manager.render import managed_models, manager_model, manager_status, priority_updated
from api.mlxgui.manager.schema import (
    ManagedModel,
    ManagedModels,
    ManagerStatus,
    PriorityUpdate,
    PriorityUpdated,
)
from api.models.inventory import find, inventory

router = APIRouter(tags=["manager"])


@router.get(
    "/v1/manager/models",
    summary="List models, with their state",
    response_class=Response,
    openapi_extra=gives(ManagedModels),
)
async def models(request: Request) -> Response:
    entries = await inventory(context_of(request), jobs_of(request))
    return json_response(managed_models(entries))


@router.get(
    "/v1/manager/status",
    summary="What is in memory and what waits",
    response_class=Response,
    openapi_extra=gives(ManagerStatus),
)
async def status(request: Request) -> Response:
    context, jobs = context_of(request), jobs_of(request)
    entries = await inventory(context, jobs)
    settings = await jobs.live_settings(context.settings)
    return json_response(manager_status(entries, await jobs.waiting(), settings))


@router.get(
    "/v1/manager/models/{name:path}/status",
    summary="How a model is",
    response_class=Response,
    openapi_extra=gives(ManagedModel),
)
async def model_status(request: Request, name: str) -> Response:
    jobs = jobs_of(request)
    entry = await find(context_of(request), jobs, name)
    return json_response(manager_model(entry, await jobs.waiting()))


@router.post(
    "/v1/manager/models/{name:path}/priority",
    summary="Let what waits for a model go before the rest of its queue",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(PriorityUpdate) | gives(PriorityUpdated),
)
async def priority(request: Request, name: str) -> Response:
    body = await read_body(request, PriorityUpdate)
    jobs = jobs_of(request)
    entry = await find(context_of(request), jobs, name)
    wanted = body.value.priority
    await jobs.control.prioritise(entry.category, entry.id, wanted)
    return json_response(priority_updated(name, wanted), headers=body.headers)


RESOURCE = Resource(MLXGUI, routers=(router,))
