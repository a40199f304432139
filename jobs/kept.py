"""The text that a dialect keeps with a job's record, and how records are kept longer than others.

This module knows Redis; what the text means, its dialect knows.
"""

from collections.abc import Sequence
from typing import Any

import redis.asyncio

from jobs import keys
from jobs.info import JobInfo
from jobs.redis.clock import CLOCK


async def kept(connection: redis.asyncio.Redis, job_id: str) -> str:
    """The text; empty if there is none."""
    text: Any = await connection.hget(keys.job(job_id), "mlxq_kept")
    return text or ""


async def keep_on(connection: redis.asyncio.Redis, jobs: Sequence[JobInfo], ttl: int) -> None:
    """Ended jobs are of use: they are kept as long as if they had ended now."""
    async with connection.pipeline(transaction=False) as pipe:
        for info in jobs:
            for key in (keys.job(info.id), keys.results(info.id), keys.files(info.id)):
                pipe.expire(key, ttl)
            pipe.zadd(keys.finished(info.queue), {info.id: CLOCK.now() + ttl}, xx=True)
        await pipe.execute()


async def has_events(connection: redis.asyncio.Redis, job_id: str) -> bool:
    """Whether the events of an ended job are still there."""
    found: Any = await connection.exists(keys.events(job_id))
    return bool(found)
