"""`/v1/webhooks/deliveries`: which events were delivered, and delivering them again.

A delivery belongs to the key of its job. Without keys its id is a secret, and the list is the user's of this machine.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.callers.caller import caller_of
from api.http.context import jobs_of
from api.http.middleware.security import listed_owner
from api.http.openapi import gives
from api.native.dialect import NATIVE
from api.native.webhooks.schema import DeliveryId, DeliveryList, DeliveryObject, DeliveryState, shown
from jobs.errors import InvalidRequest, NotFound
from jobs.pages import UnknownCursor
from jobs.redis.errors import told
from jobs.webhooks.delivery import Delivery, DeliveryStatus
from jobs.webhooks.store import DeliveryStore

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/webhooks/deliveries",
    summary="List deliveries of webhooks",
    response_class=Response,
    openapi_extra=gives(DeliveryList),
)
async def list_deliveries(
    request: Request,
    job: Annotated[str | None, Query(max_length=100, description="A job, response or batch.")] = None,
    status: DeliveryState | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=200, description="The last id of the page before.")] = None,
) -> Response:
    """Newest first. Ended ones are listed for seven days, the last thousand of each kind of end."""
    owner = await listed_owner(request)
    try:
        with told():
            page, more = await _store(request).page(
                owner,
                subject=job,
                status=None if status is None else DeliveryStatus(status),
                limit=limit,
                after=after,
            )
    except UnknownCursor:
        raise InvalidRequest(f"No delivery with id '{after}' to go on after.", param="after") from None
    body: DeliveryList = {
        "object": "list",
        "data": [shown(each) for each in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
    return json_response(body)


@router.get(
    "/v1/webhooks/deliveries/{delivery_id}",
    summary="A delivery of a webhook",
    response_class=Response,
    openapi_extra=gives(DeliveryObject),
)
async def get_delivery(request: Request, delivery_id: DeliveryId) -> Response:
    return json_response(shown(await _visible(request, delivery_id)))


@router.post(
    "/v1/webhooks/deliveries/{delivery_id}/redeliver",
    summary="Deliver an event again",
    response_class=Response,
    openapi_extra=gives(DeliveryObject),
)
async def redeliver(request: Request, delivery_id: DeliveryId) -> Response:
    """At once, with the same `webhook-id`. One that has ended has all of its attempts again."""
    await _visible(request, delivery_id)
    with told():
        await _store(request).redeliver(delivery_id)
    return json_response(shown(await _visible(request, delivery_id)))


async def _visible(request: Request, delivery_id: str) -> Delivery:
    """Raises NotFound."""
    with told():
        found = await _store(request).get(delivery_id)
    if found is None or not caller_of(request).sees(found.owner):
        raise NotFound(f"No delivery with id '{delivery_id[:100]}'.")
    return found


def _store(request: Request) -> DeliveryStore:
    return DeliveryStore(jobs_of(request).redis)


RESOURCE = Resource(NATIVE, routers=(router,))
