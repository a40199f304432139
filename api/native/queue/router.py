"""`/v1/queue`: what waits and runs, and pauses."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from api.dispatch.job_schema import Class
from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.context import jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives
from api.native.dialect import NATIVE
from api.native.queue.schema import QueueName, Queues, queue_stats
from jobs.service_class import ServiceClass

router = APIRouter(tags=["queue"])

WhichQueue = Annotated[QueueName | None, Query(description="Without it, every queue.")]
WhichClass = Annotated[Class | None, Query(description="Without it, every class.")]


@router.get(
    "/v1/queue/stats",
    summary="What waits and what runs",
    response_class=Response,
    openapi_extra=gives(Queues),
)
async def stats(request: Request) -> Response:
    return await _stats(request)


@router.post(
    "/v1/queue/pause",
    summary="Start no more jobs, of a queue, a class or all",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=gives(Queues),
)
async def pause(
    request: Request,
    queue: WhichQueue = None,
    service_class: WhichClass = None,
    running: Annotated[
        Literal["finish", "requeue"],
        Query(description="Running jobs end, or go back to their queue and begin again later."),
    ] = "finish",
) -> Response:
    """Requests are still accepted, and wait. A pause outlasts restarts."""
    await jobs_of(request).control.pause(queue, _class(service_class), give_back=running == "requeue")
    return await _stats(request)


@router.post(
    "/v1/queue/resume",
    summary="Start jobs again",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=gives(Queues),
)
async def resume(request: Request, queue: WhichQueue = None, service_class: WhichClass = None) -> Response:
    """Of a queue with all its classes, of a class, or of all that is paused."""
    await jobs_of(request).control.resume(queue, _class(service_class))
    return await _stats(request)


def _class(name: str | None) -> ServiceClass | None:
    return None if name is None else ServiceClass(name)


async def _stats(request: Request) -> Response:
    jobs = jobs_of(request)
    return json_response(queue_stats(await jobs.stats(), await jobs.paused(), await jobs.workers()))


RESOURCE = Resource(NATIVE, routers=(router,))
