"""What runs and what waits, as far as it bears on when jobs end, read from Redis within a bound.

It knows Redis and workers. It foresees nothing.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis.asyncio

from jobs import keys
from jobs.eta.demand import FIELDS, Row
from jobs.eta.paces import ModelPaces, decode_paces, field_of
from jobs.kinds import QUEUES
from jobs.queue.order import LineName, orders
from jobs.queue.waits import EVERY_QUEUE, starts_at
from jobs.service_class import CLASSES, ServiceClass
from jobs.worker_state import WorkerState, decode_state

#: Waiting jobs of a category that are looked at one by one.
LOOK = 64


@dataclass(frozen=True, slots=True)
class View:
    """All categories at one moment: `at` in Unix seconds, `clock` on the monotonic clock."""

    at: float
    clock: float
    #: of each category, what runs or is about to
    running: Mapping[str, Sequence[Row]]
    #: of each category, what waits in its order, as far as it was looked at
    waiting: Mapping[str, Sequence[Row]]
    #: of each category, the virtual second in which each line has its turn
    starts: Mapping[str, Mapping[LineName, float]]
    #: of each category, the seconds that its jobs usually run, where some have ended
    usual: Mapping[str, float | None]
    workers: Sequence[WorkerState]
    #: what is known of the models of these jobs
    paces: Mapping[str, ModelPaces]
    #: logarithms by which estimates are corrected
    corrections: Mapping[str, float]


async def look(connection: redis.asyncio.Redis) -> View:
    """Raises RedisError."""
    began = time.monotonic()
    found: list[Any]
    async with connection.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hkeys(keys.PAUSED)
        pipe.smembers(keys.WORKER_STATES)
        pipe.hgetall(keys.CORRECTIONS)
        for category in QUEUES:
            pipe.hget(keys.turns(category), "usual")
        clock, paused, names, corrections, *rest = await pipe.execute()
    now = clock[0] + clock[1] / 1e6
    usual = {each: float(told) if told else None for each, told in zip(QUEUES, rest, strict=True)}
    texts: Any = await connection.mget([keys.worker_state(str(name)) for name in names]) if names else []
    workers = [state for text in texts if text and (state := decode_state(text)) is not None]
    resting = {f"{each}:{ServiceClass.BACKGROUND}" for each in QUEUES if starts_at(each, workers) > now}
    order = await orders(connection, QUEUES, LOOK, _closed(paused) | resting)
    # After what waits: a job that is taken meanwhile is seen.
    async with connection.pipeline(transaction=False) as pipe:
        for category in QUEUES:
            pipe.lrange(keys.intermediate(category), 0, -1)
            pipe.zrange(keys.started(category), 0, -1)
        found = await pipe.execute()
    # What was taken is about to run.
    running = {
        each: list(dict.fromkeys([*_job_ids(ids), *map(str, taken)]))
        for each, taken, ids in zip(QUEUES, found[::2], found[1::2], strict=True)
    }
    waiting = {
        each: [job_id for job_id in order[each].jobs if job_id not in running[each]] for each in QUEUES
    }
    ids = list(dict.fromkeys(each for part in (*running.values(), *waiting.values()) for each in part))
    async with connection.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hmget(keys.job(job_id), FIELDS)
        found = await pipe.execute() if ids else []
    read = (Row.decode(job_id, values) for job_id, values in zip(ids, found, strict=True))
    rows = {row.id: row for row in read if row is not None}
    return View(
        now,
        began,
        {each: [rows[job_id] for job_id in running[each] if job_id in rows] for each in QUEUES},
        {each: [rows[job_id] for job_id in waiting[each] if job_id in rows] for each in QUEUES},
        {each: order[each].starts for each in QUEUES},
        usual,
        workers,
        await _paces(connection, rows.values(), workers),
        {str(name): float(value) for name, value in corrections.items()},
    )


def _job_ids(executions: Sequence[str]) -> list[str]:
    return [str(each).partition(":")[0] for each in executions]


def _closed(paused: Sequence[str]) -> set[str]:
    """The classes of categories that do not start, as `category:class`."""
    names = set(map(str, paused))
    return {
        f"{category}:{each}"
        for category in QUEUES
        for each in CLASSES
        if names & {EVERY_QUEUE, category, f"{category}:{each}"}
    }


async def _paces(
    connection: redis.asyncio.Redis, rows: Iterable[Row], workers: Sequence[WorkerState]
) -> dict[str, ModelPaces]:
    """What is known of the models of these jobs, by the machine of a worker."""
    hosts = list(dict.fromkeys(state.host for state in workers if state.engines))
    models = list(dict.fromkeys(row.model for row in rows))
    fields = [field_of(host, model) for host in hosts for model in models]
    if not fields:
        return {}
    found: Any = await connection.hmget(keys.PACES, fields)
    known: dict[str, ModelPaces] = {}
    for text, model in zip(found, models * len(hosts), strict=True):
        if text and model not in known and (paces := decode_paces(text)) is not None:
            known[model] = paces
    return known
