"""`GET /v1/workers`: each worker, what it has and what it does."""

from fastapi import APIRouter, Depends, Request, Response

from api.dispatch.renderers import renderers_of
from api.dispatch.resource import Resource
from api.http.caller import caller_of
from api.http.context import jobs_of
from api.http.json_response import json_response
from api.http.openapi import gives
from api.http.security import at_the_machine
from api.native.dialect import NATIVE
from api.native.workers.render import worker_row
from api.native.workers.schema import Workers
from jobs.redis_errors import told
from jobs.roster import roster

router = APIRouter(tags=["system"], dependencies=[Depends(at_the_machine)])


@router.get(
    "/v1/workers",
    summary="The workers: their machines, models and jobs",
    response_class=Response,
    openapi_extra=gives(Workers),
)
async def workers(request: Request) -> Response:
    """Every worker process that has beaten in the last seconds, also of other machines."""
    with told():
        present = await roster(jobs_of(request).redis)
    caller, renderers = caller_of(request), renderers_of(request)
    body: Workers = {
        "object": "list",
        "data": [worker_row(renderers, each, caller) for each in present],
    }
    return json_response(body)


RESOURCE = Resource(NATIVE, routers=(router,))
