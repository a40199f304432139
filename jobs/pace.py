"""How long steps take, learned from the last ones of the same model on this machine; and so when a job may be done.

`emit.lua` learns: seconds of a step, for each unit of its size. It is a guess: a step of twice the pixels takes at
least twice as long.
"""

from typing import Any

import orjson
import redis.asyncio

from jobs import keys
from jobs.info import JobInfo
from jobs.status import JobStatus

#: Fields of a job's hash that a guess needs.
_FIELDS = ("mlxq_model", "mlxq_steps", "mlxq_step_size", "mlxq_progress")


async def eta(connection: redis.asyncio.Redis, info: JobInfo) -> float | None:
    """Seconds until the job has ended, those before it included. None: nothing is known about one of them."""
    if not info.steps or info.status.terminal:
        return None
    ids: list[Any] = [info.id]
    if info.status is JobStatus.QUEUED:
        if info.position is None:
            return None
        running: Any = await connection.zrange(keys.started(info.category), 0, -1)
        waiting: Any = await connection.lrange(keys.queue(info.category), 0, info.position - 1)
        ids = [*(str(each).partition(":")[0] for each in running), *waiting]
    async with connection.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hmget(keys.job(job_id), _FIELDS)
        pipe.hgetall(keys.PACES)
        *rows, paces = await pipe.execute()
    times = [_left(row, paces) for row in rows if row[0] is not None]
    return None if any(time is None for time in times) else round(sum(filter(None, times)), 1)


def _left(row: list[str | None], paces: dict[str, str]) -> float | None:
    model, steps, size, progress = row
    pace = paces.get(model or "")
    if pace is None or not steps or not size:
        return None
    done, total = _progress(progress, int(steps))
    return max(0, total - done) * float(size) * float(pace)


def _progress(said: str | None, steps: int) -> tuple[int, int]:
    """The engine knows better than who asked it how many steps there are."""
    if said is None:
        return 0, steps
    progress = orjson.loads(said)
    return int(progress.get("done", 0)), int(progress.get("total", steps))
