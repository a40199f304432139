"""`GET /v1/queue/stats`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.resource import Resource
from api.http.context import jobs_of
from api.http.json_response import json_response
from api.http.openapi import gives
from api.native.dialect import NATIVE
from api.native.queue.schema import Queues, queue_stats

router = APIRouter(tags=["queue"])


@router.get(
    "/v1/queue/stats",
    summary="What waits and what runs",
    response_class=Response,
    openapi_extra=gives(Queues),
)
async def stats(request: Request) -> Response:
    return json_response(queue_stats(await jobs_of(request).stats()))


RESOURCE = Resource(NATIVE, routers=(router,))
