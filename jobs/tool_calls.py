"""Which job a call of a tool became, so that every API process can cancel it by the call's own name.

It knows names and ids. It does not know the protocol of the calls.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
from redis.exceptions import RedisError

from jobs import keys

#: Seconds that a call is known at most, should its process be killed.
_KNOWN = 6 * 3600


def call_name(*parts: str) -> str:
    """The name of a call from what tells it from all others."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part.encode())
    return digest.hexdigest()[:32]


async def note(client: redis.asyncio.Redis, name: str, job_id: str) -> None:
    """The call has this job. While Redis is away it can't be cancelled, which is no reason to fail."""
    with contextlib.suppress(RedisError, OSError):
        await client.set(keys.tool_call(name), job_id, ex=_KNOWN)


@asynccontextmanager
async def known(client: redis.asyncio.Redis, name: str, job_id: str) -> AsyncIterator[None]:
    """The call has this job, or the one that is noted later, until it ends."""
    await note(client, name, job_id)
    try:
        yield
    finally:
        with contextlib.suppress(RedisError, OSError):
            await client.delete(keys.tool_call(name))


async def job_of(client: redis.asyncio.Redis, name: str) -> str | None:
    """The job of a call that has not ended. Raises RedisError."""
    found = await client.get(keys.tool_call(name))
    return None if found is None else str(found)
