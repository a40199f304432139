"""`GET /v1/addresses`: where other machines reach the server."""

import asyncio

from fastapi import APIRouter, Depends, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.context import context_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives
from api.native.addresses.find import reached_at
from api.native.addresses.schema import AddressList
from api.native.dialect import NATIVE

router = APIRouter(tags=["system"], dependencies=[Depends(at_the_machine)])


@router.get(
    "/v1/addresses",
    summary="Where other machines reach the server",
    response_class=Response,
    openapi_extra=gives(AddressList),
)
async def addresses(request: Request) -> Response:
    """For a phone in the same network, for example."""
    found = await asyncio.to_thread(reached_at, context_of(request).settings)
    body: AddressList = {"object": "list", "addresses": found}
    return json_response(body)


RESOURCE = Resource(NATIVE, routers=(router,))
