"""Why waiting jobs can't start at all, for those who watch them. It only reads, and most of the time very little."""

from collections.abc import Sequence
from typing import Any

import redis.asyncio

from jobs import keys
from jobs.queue import listing
from jobs.queue.waits import WaitsFor, wait_of
from jobs.worker_state import WorkerState, decode_state

#: What is not a matter of jobs, places or models.
_STANDING = (WaitsFor.HELD, WaitsFor.PAUSED, WaitsFor.POLICY)


async def standing(connection: redis.asyncio.Redis, ids: Sequence[str]) -> dict[str, str]:
    """The reasons of those of these jobs that can't start: they are held, paused or kept for other hours."""
    async with connection.pipeline(transaction=False) as pipe:
        pipe.hkeys(keys.PAUSED)
        pipe.exists(keys.RESTING)
        paused, rests = await pipe.execute()
    if not paused and not rests:
        return {}
    workers = await live_workers(connection)
    found: dict[str, str] = {}
    for info in await listing.read(connection, ids):
        wait = None if info is None else wait_of(info, paused, workers)
        if info is not None and wait is not None and wait.on in _STANDING:
            found[info.id] = wait.reason
    return found


async def live_workers(connection: redis.asyncio.Redis) -> list[WorkerState]:
    """What each live worker process said at its last beat."""
    names: Any = await connection.smembers(keys.WORKER_STATES)
    if not names:
        return []
    states = await connection.mget([keys.worker_state(str(name)) for name in names])
    return [state for text in states if text and (state := decode_state(text)) is not None]
