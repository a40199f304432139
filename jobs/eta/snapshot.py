"""What runs and what waits, as far as it bears on when jobs end, read from Redis within a bound.

It knows Redis and workers. How the work is shared, `forecast.py` knows.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis.asyncio

from jobs import keys
from jobs.eta.demand import FIELDS, Demand, Row, demand_of, unit_of
from jobs.eta.forecast import Item, Line, forecast
from jobs.eta.paces import ModelPaces, decode_paces, field_of
from jobs.kinds import QUEUES, Category
from jobs.order import orders
from jobs.service_class import CLASSES, ServiceClass
from jobs.waits import EVERY_QUEUE, starts_at
from jobs.worker_state import WorkerState, decode_state

#: Waiting jobs of a category that are looked at one by one.
LOOK = 64


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All categories at one moment: `at` in Unix seconds, `clock` on the monotonic clock."""

    at: float
    clock: float
    items: Mapping[str, Item]
    #: of each category, what waits in its order, as far as it was looked at
    waiting: Mapping[str, Sequence[Item]]
    #: logarithms by which estimates are corrected
    corrections: Mapping[str, float]

    def start_of(self, category: str, position: int) -> float | None:
        """Seconds from `at` until the job in this place of the queue starts, 1 is next."""
        waiting = self.waiting.get(category, ())
        if position <= len(waiting):
            return waiting[position - 1].start if position else None
        first, last = (waiting[0].start, waiting[-1].start) if waiting else (None, None)
        if first is None or last is None or len(waiting) < LOOK:
            return None
        return last + (position - len(waiting)) * (last - first) / (len(waiting) - 1)

    def length_of(self, category: str) -> float | None:
        """Seconds that waiting jobs of this category run, on average."""
        ran = [
            item.end - item.start
            for item in self.waiting.get(category, ())
            if item.end is not None and item.start is not None
        ]
        return sum(ran) / len(ran) if ran else None


async def take(connection: redis.asyncio.Redis) -> Snapshot:
    """Look, and foresee. Raises RedisError."""
    began = time.monotonic()
    async with connection.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hkeys(keys.PAUSED)
        pipe.smembers(keys.WORKER_STATES)
        pipe.hgetall(keys.CORRECTIONS)
        for category in QUEUES:
            pipe.zrange(keys.started(category), 0, -1)
            pipe.lrange(keys.intermediate(category), 0, -1)
            pipe.hget(keys.turns(category), "usual")
        clock, paused, names, corrections, *rest = await pipe.execute()
    now = clock[0] + clock[1] / 1e6
    # What was taken is about to run.
    running = {
        each: [*_job_ids(ids), *map(str, taken)]
        for each, ids, taken in zip(QUEUES, rest[::3], rest[1::3], strict=True)
    }
    usual = dict(zip(QUEUES, rest[2::3], strict=True))
    texts: Any = await connection.mget([keys.worker_state(str(name)) for name in names]) if names else []
    workers = [state for text in texts if text and (state := decode_state(text)) is not None]
    resting = {f"{each}:{ServiceClass.BACKGROUND}" for each in QUEUES if starts_at(each, workers) > now}
    first_waiting = await orders(connection, QUEUES, LOOK, _closed(paused) | resting)
    parts = (*running.values(), *first_waiting.values())
    ids = list(dict.fromkeys(job_id for part in parts for job_id in part))
    async with connection.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hmget(keys.job(job_id), FIELDS)
        found: list[Any] = await pipe.execute() if ids else []
    read = (Row.decode(job_id, values) for job_id, values in zip(ids, found, strict=True))
    rows = {row.id: row for row in read if row is not None}
    paces = await _paces(connection, rows.values(), workers)
    lines = {
        each: _line(each, running[each], first_waiting[each], rows, workers, paces, usual[each], now)
        for each in QUEUES
    }
    waiting = {each: tuple(line.waiting) for each, line in lines.items()}
    items = {item.id: item for line in lines.values() for item in (*line.running, *line.waiting)}
    forecast(
        [line for each, line in lines.items() if each in _ENGINES],
        lines[Category.LLM],
        next((state.chat_share for state in workers if state.engines), None),
    )
    corrected = {str(name): float(value) for name, value in corrections.items()}
    return Snapshot(now, began, items, waiting, corrected)


_ENGINES = frozenset(each.value for each in Category)


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


def _line(
    category: str,
    running: Sequence[str],
    waiting: Sequence[str],
    rows: Mapping[str, Row],
    workers: Sequence[WorkerState],
    paces: Mapping[str, ModelPaces],
    usual: str | None,
    now: float,
) -> Line:
    able = [state for state in workers if category in state.slots]
    line = Line(
        capacity=max(1, sum(state.capacity.get(category, 1) for state in able)),
        duty=max((state.duty.get(category, 0.0) for state in able), default=0.0),
        usual=float(usual or 1.0),
        models={slot.present for state in able for slot in state.slots[category] if slot.present},
    )
    for job_id in running:
        if (row := rows.get(job_id)) is not None:
            item = _item(row, category, paces, usual, max(0.0, now - row.seen_at) if row.ran_at else 0.0)
            if row.loading:
                item.demand.work += item.demand.load
            line.running.append(item)
            line.models.add(row.model)
    blind = usual is None and not all(item.known for item in line.running)
    for job_id in waiting:
        if (row := rows.get(job_id)) is not None:
            item = _item(row, category, paces, usual, 0.0)
            item.queued = True
            blind = blind or (usual is None and not item.known)
            item.known = item.known and not blind
            line.waiting.append(item)
    return line


def _item(row: Row, category: str, paces: Mapping[str, ModelPaces], usual: str | None, age: float) -> Item:
    """Of a job of which nothing is known, others only learn what is usual in its category."""
    demand = demand_of(row, paces.get(row.model))
    known = demand is not None
    if demand is None:
        demand = Demand(0.0, float(usual or 0.0))
    return Item(
        row.id,
        row.model,
        demand,
        age,
        known,
        queue=category,
        service_class=row.service_class,
        unit=unit_of(row.progress),
    )
