"""Workers of other machines that were not let in because their version does not fit, so that users see why.

It knows the record in Redis. It does not know versions.
"""

from typing import Any

import msgspec
import redis.asyncio

from jobs import keys
from jobs.redis.clock import CLOCK

#: Seconds for which they are remembered, and how many are.
_REMEMBERED, _MOST = 3600, 32


class Refusal(msgspec.Struct, frozen=True):
    """`version` is the worker's; `at` in Unix seconds. `reason` is a sentence for the user."""

    version: str
    reason: str
    at: float


_refusals = msgspec.json.Decoder(Refusal)


async def note_refusal(client: redis.asyncio.Redis, host: str, version: str, reason: str) -> None:
    """Raises RedisError."""
    text = msgspec.json.encode(Refusal(version, reason, CLOCK.now()))
    if int(await client.hlen(keys.REFUSED)) < _MOST or await client.hexists(keys.REFUSED, host):
        await client.hset(keys.REFUSED, host, text)
        await client.expire(keys.REFUSED, _REMEMBERED)


async def forget_refusal(client: redis.asyncio.Redis, host: str) -> None:
    """A worker of that machine was let in. Raises RedisError."""
    await client.hdel(keys.REFUSED, host)


async def refusals(client: redis.asyncio.Redis) -> dict[str, Refusal]:
    """By the names of machines. Raises RedisError."""
    found: Any = await client.hgetall(keys.REFUSED)
    known: dict[str, Refusal] = {}
    for host, text in found.items():
        try:
            known[str(host)] = _refusals.decode(text)
        except msgspec.DecodeError:
            continue
    return known
