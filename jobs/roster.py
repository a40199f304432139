"""All worker processes that beat: what they said at their last beat and when, what they have and what they run.

It only reads. A worker whose state this version can't read is there too, by its name alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis.asyncio

from jobs import keys
from jobs.gate import LEASE
from jobs.info import JobInfo
from jobs.kinds import Category
from jobs.models.inventory import held_models
from jobs.queue import listing
from jobs.redis.clock import CLOCK
from jobs.worker_state import WorkerState, decode_state


@dataclass(frozen=True, slots=True)
class Present:
    """A worker. `state` is None where this version can't read it; `beat` is its last beat in Unix seconds.

    `installed` are the models on its disk, `running` the jobs that it runs. `key` is the id of the key with which it
    has joined from another machine; empty for others.
    """

    name: str
    state: WorkerState | None
    beat: float
    installed: Sequence[str]
    running: Sequence[JobInfo]
    key: str


async def roster(connection: redis.asyncio.Redis) -> list[Present]:
    """By their names. Raises RedisError."""
    members: Any = await connection.smembers(keys.WORKER_STATES)
    names = sorted(str(name) for name in members)
    if not names:
        return []
    async with connection.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.get(keys.worker_state(name))
            # How long ago it was written, whatever the clock of its machine says.
            pipe.pttl(keys.worker_state(name))
            pipe.get(keys.joined(name))
        answers = await pipe.execute()
    now = CLOCK.now()
    installed = await held_models(connection, names)
    running = await _running(connection)
    return [
        Present(
            name,
            decode_state(text),
            now - max(0.0, LEASE - left / 1000),
            installed[name],
            running.get(name, ()),
            key or "",
        )
        for name, text, left, key in zip(names, answers[::3], answers[1::3], answers[2::3], strict=True)
        if text
    ]


async def _running(connection: redis.asyncio.Redis) -> dict[str, list[JobInfo]]:
    """The running jobs of each worker."""
    async with connection.pipeline(transaction=False) as pipe:
        for category in Category:
            pipe.zrange(keys.started(category), 0, -1)
        executions = await pipe.execute()
    ids = [str(each).partition(":")[0] for started in executions for each in started]
    found: dict[str, list[JobInfo]] = {}
    for info in await listing.read(connection, ids):
        if info is not None and info.worker:
            found.setdefault(info.worker, []).append(info)
    return found
