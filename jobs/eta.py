"""How long steps and jobs take, learned from the last ones on this machine; and so when a job may be done.

`emit.lua` learns the seconds of a step of a model, for each unit of its size, or those of reading a token of a
prompt, and the gate how long the last jobs of a queue ran. All are guesses: a step of twice the pixels takes at least
twice as long.
"""

from statistics import median
from typing import Any

import orjson
import redis.asyncio

from jobs import keys
from jobs.events import ProgressState
from jobs.info import JobInfo
from jobs.order import next_job, order
from jobs.status import JobStatus

#: Fields of a job's hash that a guess needs.
_FIELDS = ("mlxq_model", "mlxq_steps", "mlxq_step_size", "mlxq_progress")
#: What of its usual time a job still takes that has run longer than usual.
_OVERDUE = 0.25
#: Seconds that a job is thought to run of which nothing is known.
_UNKNOWN = 2.0


async def eta(connection: redis.asyncio.Redis, info: JobInfo) -> float | None:
    """Seconds until the job has ended, those before it included; of a text that is being written, until its prompt is
    read. None: nothing is known about one of them.
    """
    if info.status.terminal:
        return None
    if info.progress is not None and info.progress.unit == "prompt_tokens":
        return await _until_read(connection, info.model, info.progress)
    if not info.steps:
        return None
    ids: list[Any] = [info.id]
    if info.status is JobStatus.QUEUED:
        if info.position is None:
            return None
        running: Any = await connection.zrange(keys.started(info.queue), 0, -1)
        waiting = await _before(connection, info)
        ids = [*(str(each).partition(":")[0] for each in running), *waiting]
    async with connection.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hmget(keys.job(job_id), _FIELDS)
        pipe.hgetall(keys.PACES)
        *rows, paces = await pipe.execute()
    times = [_left(row, paces) for row in rows if row[0] is not None]
    return None if any(time is None for time in times) else round(sum(filter(None, times)), 1)


async def _before(connection: redis.asyncio.Redis, info: JobInfo) -> list[str]:
    """The jobs that start before this one, and itself."""
    waiting = await order(connection, info.queue)
    return waiting[: waiting.index(info.id) + 1] if info.id in waiting else [info.id]


async def _until_read(connection: redis.asyncio.Redis, model: str, progress: ProgressState) -> float | None:
    pace: Any = await connection.hget(keys.PACES, model)
    unread = progress.total - progress.done
    return None if pace is None or unread <= 0 else round(unread * float(pace), 1)


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


async def next_place(connection: redis.asyncio.Redis, queue: str) -> float:
    """Seconds until a place in this queue may be free: until the first job that waits is taken from it.

    That is when one of the running jobs ends, or all of them, where it waits for another model.
    """
    async with connection.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.zrange(keys.started(queue), 0, -1)
        pipe.lrange(keys.runs(queue), 0, -1)
        pipe.hgetall(keys.PACES)
        clock, running, runs, paces = await pipe.execute()
    head = await next_job(connection, queue)
    now = clock[0] + clock[1] / 1e6
    ids = [*(str(each).partition(":")[0] for each in running), *([head] if head else [])]
    async with connection.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hmget(keys.job(job_id), *_FIELDS, "mlxq_ran_ms")
        rows: list[Any] = await pipe.execute() if ids else []
    left = [_remaining(row, now, runs, paces) for row in rows[: len(running)]]
    if not left:
        return 1.0
    switches = bool(head) and any(row[0] != rows[-1][0] for row in rows[: len(running)])
    return max(left) if switches else min(left)


def _remaining(row: list[str | None], now: float, runs: list[str], paces: dict[str, str]) -> float:
    """Seconds that a running job may still take: by its steps, else by what others took, else by its own time."""
    *steps, ran = row
    if (left := _left(steps, paces)) is not None:
        return left
    gone = max(0.0, now - int(ran) / 1000) if ran else 0.0
    told = [each.partition(" ") for each in runs]
    same = [int(each) / 1000 for each, _, model in told if model == row[0]]
    usual = median(same or [int(each) / 1000 for each, _, _ in told] or [max(_UNKNOWN, 2 * gone)])
    return max(usual - gone, usual * _OVERDUE)
