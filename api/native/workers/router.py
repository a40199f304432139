"""`GET /v1/workers`: each worker, what it has and what it does."""

from fastapi import APIRouter, Depends, Request, Response

from api.dispatch.renderers import renderers_of
from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.callers.caller import caller_of
from api.http.context import jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives
from api.native.dialect import NATIVE
from api.native.workers.render import refused_row, worker_row
from api.native.workers.schema import Workers
from jobs.redis.errors import told
from jobs.refused import refusals
from jobs.roster import roster

router = APIRouter(tags=["system"], dependencies=[Depends(at_the_machine)])


@router.get(
    "/v1/workers",
    summary="The workers: their machines, models and jobs",
    response_class=Response,
    openapi_extra=gives(Workers),
)
async def workers(request: Request) -> Response:
    """Every worker process that has beaten in the last seconds, also of other machines.

    In the end those that were not let in within the last hour, as their version does not fit.
    """
    with told():
        present = await roster(jobs_of(request).redis)
        refused = await refusals(jobs_of(request).redis)
    caller, renderers = caller_of(request), renderers_of(request)
    body: Workers = {
        "object": "list",
        "data": [
            *(worker_row(renderers, each, caller) for each in present),
            *(refused_row(host, each) for host, each in sorted(refused.items())),
        ],
    }
    return json_response(body)


RESOURCE = Resource(NATIVE, routers=(router,))
