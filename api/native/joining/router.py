"""`GET /v1/join`: where workers of other machines join. Joining itself is the gateway's (mlxq/gateway)."""

from fastapi import APIRouter, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.context import context_of
from api.http.openapi import gives
from api.native.dialect import NATIVE
from api.native.joining.schema import JoinPlace
from config import VERSION
from jobs.errors import NotFound
from jobs.protocol import protocol

router = APIRouter(tags=["system"])


@router.get(
    "/v1/join",
    summary="Where workers of other machines join",
    response_class=Response,
    openapi_extra=gives(JoinPlace),
)
async def join(request: Request) -> Response:
    """404 where none may join: `JOIN_PORT` is not set. The answer has nothing secret, and needs no key."""
    port = context_of(request).settings.join_port
    if not port:
        raise NotFound("No worker of another machine may join here; JOIN_PORT lets them.")
    body: JoinPlace = {
        "port": port,
        "redis_port": port + 1,
        "version": VERSION,
        "protocol": protocol(),
    }
    return json_response(body)


RESOURCE = Resource(NATIVE, routers=(router,))
