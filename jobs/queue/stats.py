"""The numbers of each queue, in one round trip. It only reads."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import redis.asyncio

from jobs.info import QueueStats
from jobs.kinds import QUEUES
from jobs.queue.waits import EVERY_QUEUE
from jobs.redis.script import Script
from jobs.service_class import CLASSES

#: The last waits of a queue that its median is of.
_WAITS = 256

_SCRIPT = Script(Path(__file__).with_name("stats.lua"))


async def stats(connection: redis.asyncio.Redis) -> dict[str, QueueStats]:
    """Every queue. Raises RedisError."""
    paused, rows = await _SCRIPT(connection, (), _WAITS, *QUEUES)
    return {queue: _stats(queue, row, paused) for queue, row in zip(QUEUES, rows, strict=True)}


def _stats(queue: str, row: Sequence[Any], paused: Collection[str]) -> QueueStats:
    *counts, wait = row
    *classes, requeued, deferred, running, lingering, finished, failed, ended, expired = counts
    return QueueStats(
        waiting=sum(classes) + requeued + deferred,
        running=running,
        lingering=lingering,
        finished=finished,
        failed=failed,
        cancelled=max(0, ended - expired),
        expired=expired,
        median_wait=None if wait == "" else wait / 1000,
        classes=dict(zip(CLASSES, classes, strict=True)),
        paused=queue in paused or EVERY_QUEUE in paused,
        paused_classes=[each for each in CLASSES if f"{queue}:{each}" in paused],
    )
