"""Deliveries in Redis: taking those whose time has come, writing what came of an attempt, the log.

A delivery that a process has taken is its own until its lease is over and another process has taken it. What the
first one writes after that is refused.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import redis.asyncio

from jobs import keys
from jobs.gate import iso_now
from jobs.pages import page
from jobs.redis.script import Script
from jobs.webhooks.delivery import (
    FIELDS,
    MOST_ATTEMPTS,
    PAUSES,
    Attempt,
    Delivery,
    DeliveryStatus,
    decode,
    read_log,
)

_HERE = Path(__file__).parent
_TAKE, _SETTLE, _REDELIVER = (
    Script(_HERE / "deliveries.lua", _HERE / f"{name}.lua") for name in ("take", "settle", "redeliver")
)
#: The queue of deliveries.
QUEUE = "webhook"
#: Seconds that an ended delivery is in the log, and how many of those that arrived, and of those that failed.
KEPT, MOST_KEPT = 7 * 86_400, 1_000
#: Attempts that all processes make at the same time for one host.
MOST_OF_HOST = 4
#: The share of a pause by which it may be longer, so that what failed together is not tried together again.
_SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that this process has taken. `tries` counts this attempt."""

    id: str
    execution: str
    url: str
    body: bytes
    tries: int
    attempts: Sequence[Attempt]


class DeliveryStore:
    """All methods raise RedisError."""

    def __init__(self, connection: redis.asyncio.Redis, *, shift: float = 0.0) -> None:
        """`shift`: seconds by which its clock is ahead of Redis'."""
        self._redis = connection
        self._shift = shift

    async def take(self, token: str, lease: float, most: int) -> tuple[list[Due], float | None]:
        """Up to `most` deliveries whose time has come, for `lease` seconds; and the seconds until others may come.

        0.0: some wait for a place. None: there are no others.
        """
        left, *taken = await _TAKE(self._redis, [], self._shift, token, lease, most, MOST_OF_HOST, iso_now())
        found = [
            Due(row[0], row[1], row[2], row[3].encode(), int(row[4]), read_log(row[5]))
            for row in (taken[start : start + 6] for start in range(0, len(taken), 6))
        ]
        return found, float(left) if left else None

    async def settle(
        self, due: Due, attempt: Attempt, *, arrived: bool, final: bool = False, pause: float = 0.0
    ) -> DeliveryStatus:
        """Write what came of an attempt. `final`: it is the last one. `pause`: the receiver's wish, in seconds."""
        status = DeliveryStatus.RETRYING
        if arrived:
            status, outcome = DeliveryStatus.DELIVERED, "delivered"
        elif final or due.tries >= MOST_ATTEMPTS:
            status, outcome = DeliveryStatus.FAILED, "failed"
        else:
            outcome = "again"
            usual = PAUSES[due.tries - 1] * random.uniform(1.0, 1.0 + _SPREAD)
            pause = max(usual, min(pause, PAUSES[-1]))
        log = msgspec.json.encode([*due.attempts, attempt][-MOST_ATTEMPTS:])
        await _SETTLE(
            self._redis,
            [],
            self._shift,
            due.id,
            due.execution,
            outcome,
            log,
            pause,
            KEPT,
            MOST_KEPT,
            iso_now(),
        )
        return status

    async def redeliver(self, delivery_id: str) -> bool:
        """Begin it anew, or have the next attempt made at once. False: there is no such delivery."""
        return bool(await _REDELIVER(self._redis, [], self._shift, delivery_id, iso_now()))

    async def get(self, delivery_id: str) -> Delivery | None:
        return (await self._read([delivery_id]))[0]

    async def page(
        self,
        owner: str | None,
        *,
        subject: str | None = None,
        status: DeliveryStatus | None = None,
        limit: int,
        after: str | None = None,
    ) -> tuple[list[Delivery], bool]:
        """Deliveries of an owner (None: of all), newest first, and whether there are more. Raises UnknownCursor."""

        def wanted(each: Delivery) -> bool:
            return (
                owner in (None, each.owner)
                and subject in (None, each.subject)
                and status in (None, each.status)
            )

        return await page(self._redis, keys.DELIVERIES, self._read, wanted, limit=limit, after=after)

    async def _read(self, ids: Sequence[str]) -> list[Delivery | None]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for delivery_id in ids:
                pipe.hmget(keys.job(delivery_id), FIELDS)
                pipe.zscore(keys.scheduled(QUEUE), delivery_id)
            found: list[Any] = await pipe.execute()
        return [
            decode(delivery_id, values, next_at)
            for delivery_id, values, next_at in zip(ids, found[::2], found[1::2], strict=True)
        ]
