"""When a place in a full queue may be free: what `Retry-After` says."""

from statistics import median

import redis.asyncio

from jobs import keys
from jobs.eta.snapshot import Snapshot

#: What of its usual time a job still takes that has run longer than usual.
_OVERDUE = 0.25
#: Seconds that a job is thought to run of which nothing is known.
_UNKNOWN = 2.0


async def next_place(connection: redis.asyncio.Redis, queue: str, snapshot: Snapshot) -> float:
    """Seconds until a place in this queue may be free: until the first job that waits is taken from it.

    By what is known of the models, else by how long the last jobs of the queue ran.
    """
    waiting = snapshot.waiting.get(queue, ())
    running = [item for item in snapshot.items.values() if item.queue == queue and not item.queued]
    if waiting and (start := waiting[0].start) is not None and all(item.known for item in running):
        return start
    async with connection.pipeline(transaction=False) as pipe:
        pipe.lrange(keys.runs(queue), 0, -1)
        for item in running:
            pipe.hget(keys.job(item.id), "mlxq_ran_ms")
        runs, *began = await pipe.execute()
    left = [
        _left(item.model, max(0.0, snapshot.at - int(ran) / 1000) if ran else 0.0, runs)
        for item, ran in zip(running, began, strict=True)
    ]
    if not left:
        return 1.0
    # Where the next one waits for another model, it waits for all that run.
    switches = bool(waiting) and any(item.model != waiting[0].model for item in running)
    return max(left) if switches else min(left)


def _left(model: str, gone: float, runs: list[str]) -> float:
    """Seconds that a job may still run, by what others took, else by its own time."""
    told = [each.partition(" ") for each in runs]
    same = [int(each) / 1000 for each, _, other in told if other == model]
    usual = median(same or [int(each) / 1000 for each, _, _ in told] or [max(_UNKNOWN, 2 * gone)])
    return max(usual - gone, usual * _OVERDUE)
