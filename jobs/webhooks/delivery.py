"""A delivery as it stands, and how often it is tried. It does not know how it is sent."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

#: Seconds between an attempt that failed and the next one: three days in all.
PAUSES = (5, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 72_000, 86_400)
#: Attempts of a delivery, unless somebody asks for more.
MOST_ATTEMPTS = len(PAUSES) + 1


class DeliveryStatus(StrEnum):
    """RQ's statuses in words of ours."""

    #: its time has come, and it waits for a place
    PENDING = "pending"
    #: it is being sent
    SENDING = "sending"
    #: an attempt failed, and there will be another one
    RETRYING = "retrying"
    #: the receiver has answered 2xx
    DELIVERED = "delivered"
    #: no attempt will follow
    FAILED = "failed"


_FROM_RQ = {
    "queued": DeliveryStatus.PENDING,
    "started": DeliveryStatus.SENDING,
    "scheduled": DeliveryStatus.RETRYING,
    "finished": DeliveryStatus.DELIVERED,
}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: when, in Unix seconds; the receiver's status, or why there is none; how long it took."""

    at: int
    status: int | None = None
    error: str | None = None
    milliseconds: int = 0


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is the job or batch. Times are in Unix seconds. `attempts`: all since it was last begun."""

    id: str
    event: str
    subject: str
    host: str
    owner: str
    status: DeliveryStatus
    created_at: int
    next_at: int | None
    attempts: list[Attempt]


#: Fields of its hash that a reader needs, in the order of `decode`.
FIELDS = ("status", "mlxq_event", "mlxq_of", "mlxq_host", "mlxq_owner", "mlxq_created", "mlxq_log")
_LOG = msgspec.json.Decoder(list[Attempt])


def decode(delivery_id: str, values: list[Any], next_at: float | None) -> Delivery | None:
    """None for what is no delivery, or not there any more."""
    row: Mapping[str, Any] = dict(zip(FIELDS, values, strict=True))
    if row["mlxq_event"] is None:
        return None
    return Delivery(
        id=delivery_id,
        event=row["mlxq_event"],
        subject=row["mlxq_of"],
        host=row["mlxq_host"],
        owner=row["mlxq_owner"] or "",
        status=_FROM_RQ.get(row["status"], DeliveryStatus.FAILED),
        created_at=int(row["mlxq_created"]),
        next_at=None if next_at is None else int(next_at),
        attempts=read_log(row["mlxq_log"]),
    )


def read_log(text: str | None) -> list[Attempt]:
    return _LOG.decode(text) if text else []
