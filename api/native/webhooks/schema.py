"""The answers of `/v1/webhooks`."""

from typing import Annotated, Literal

from fastapi import Path
from typing_extensions import TypedDict

from jobs.webhooks.delivery import Delivery

DeliveryId = Annotated[str, Path(max_length=200)]
DeliveryState = Literal["pending", "sending", "retrying", "delivered", "failed"]


class DeliveryAttempt(TypedDict):
    """The receiver's status, or why there is none. `at` is in Unix seconds."""

    at: int
    status: int | None
    error: str | None
    milliseconds: int


class DeliveryObject(TypedDict):
    """A delivery. `of` is the job, response or batch; of the receiver's address only the host is shown.

    The id is the `webhook-id` of each attempt, and the `id` of the event. Times are in Unix seconds.
    """

    id: str
    object: Literal["webhook.delivery"]
    event: str
    of: str
    host: str
    status: DeliveryState
    created_at: int
    next_attempt_at: int | None
    attempts: list[DeliveryAttempt]


class DeliveryList(TypedDict):
    """Newest first. `last_id` is the cursor of the next page."""

    object: Literal["list"]
    data: list[DeliveryObject]
    has_more: bool
    first_id: str | None
    last_id: str | None


def shown(delivery: Delivery) -> DeliveryObject:
    return {
        "id": delivery.id,
        "object": "webhook.delivery",
        "event": delivery.event,
        "of": delivery.subject,
        "host": delivery.host,
        "status": delivery.status.value,
        "created_at": delivery.created_at,
        "next_attempt_at": delivery.next_at,
        "attempts": [
            {
                "at": each.at,
                "status": each.status,
                "error": each.error,
                "milliseconds": each.milliseconds,
            }
            for each in delivery.attempts
        ],
    }
