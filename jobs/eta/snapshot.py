"""When the jobs of a view start and end. It knows workers. How they share a device, `forecast.py` knows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import redis.asyncio

from jobs.eta.demand import Demand, Row, demand_of, unit_of
from jobs.eta.forecast import Item, Line, forecast
from jobs.eta.turns import Turns
from jobs.eta.view import LOOK, View, look
from jobs.kinds import QUEUES, Category
from jobs.worker_state import Periods


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All categories at one moment: `at` in Unix seconds, `clock` on the monotonic clock."""

    at: float
    clock: float
    items: Mapping[str, Item]
    #: of each category, what waits as far as it was looked at, what starts next first
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
    return foresee(await look(connection))


def foresee(view: View) -> Snapshot:
    """What is foreseen of the jobs of this view."""
    lines = {each: _line(each, view) for each in QUEUES}
    waiting = {each: list(line.waiting) for each, line in lines.items()}
    items = {item.id: item for line in lines.values() for item in (*line.running, *line.waiting)}
    forecast(
        [line for each, line in lines.items() if each in _ENGINES],
        lines[Category.LLM],
        next((state.chat_share for state in view.workers if state.engines), None),
    )
    waiting = {
        each: sorted(found, key=lambda item: math.inf if item.start is None else item.start)
        for each, found in waiting.items()
    }
    return Snapshot(view.at, view.clock, items, waiting, view.corrections)


_ENGINES = frozenset(each.value for each in Category)


def _line(category: str, view: View) -> Line:
    able = [state for state in view.workers if category in state.slots]
    usual = view.usual[category]
    line = Line(
        capacity=max(1, sum(state.capacity.get(category, 1) for state in able)),
        periods=next((state.periods[category] for state in able if category in state.periods), Periods()),
        models={slot.present for state in able for slot in state.slots[category] if slot.present},
    )
    for row in view.running[category]:
        item = _item(row, category, view, max(0.0, view.at - row.seen_at) if row.ran_at else 0.0)
        if row.loading:
            item.demand.work += item.demand.load
        line.running.append(item)
        line.models.add(row.model)
    blind = usual is None and not all(item.known for item in line.running)
    waiting: list[Item] = []
    for row in view.waiting[category]:
        item = _item(row, category, view, 0.0)
        item.queued = True
        blind = blind or (usual is None and not item.known)
        item.known = item.known and not blind
        waiting.append(item)
    line.waiting = Turns(waiting, view.starts[category], usual or 1.0)
    return line


def _item(row: Row, category: str, view: View, age: float) -> Item:
    """Of a job of which nothing is known, others only learn what is usual in its category."""
    demand = demand_of(row, view.paces.get(row.model))
    known = demand is not None
    if demand is None:
        demand = Demand(0.0, view.usual[category] or 0.0)
    return Item(
        row.id,
        row.model,
        demand,
        age,
        known,
        queue=category,
        service_class=row.service_class,
        unit=unit_of(row.progress),
        share=row.share,
        first=row.first,
        charged=row.charged,
        ran=max(0.0, view.at - row.ran_at) if row.ran_at else 0.0,
    )
