"""`GET /v1/checks`: what is wrong, and what mends it."""

from fastapi import APIRouter, Depends, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.context import context_of, jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives
from api.native.checks.find import find
from api.native.checks.schema import Checks
from api.native.dialect import NATIVE

router = APIRouter(tags=["system"], dependencies=[Depends(at_the_machine)])


@router.get(
    "/v1/checks",
    summary="What is wrong, and the command that mends it",
    response_class=Response,
    openapi_extra=gives(Checks),
)
async def checks(request: Request) -> Response:
    """The status is 200 whatever is wrong; `/health` is for programs."""
    body: Checks = {"object": "list", "data": await find(context_of(request), jobs_of(request))}
    return json_response(body)


RESOURCE = Resource(NATIVE, routers=(router,))
