"""In which order the waiting jobs of a category will start, as far as that is known. It only reads.

Classes come one after the other; within a class apps have their turns by the time that their jobs take. The estimate
supposes that all jobs take equally long, and that every model is at hand.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from redis.exceptions import NoScriptError

from jobs import keys
from jobs.gate.scripts import script
from jobs.service_class import CLASSES, ServiceClass

#: The line of what goes before all others of its class (jobs/gate/lines.lua).
FIRST = "~first"
#: The app of jobs without one.
NOBODY = "-"

#: Apps of a class that are looked at where not all jobs are wanted.
_MOST_APPS = 64

#: An app and the virtual second in which its next job starts.
_Line = tuple[str, float]

#: A class and an app.
LineName = tuple[ServiceClass, str]


@dataclass(frozen=True, slots=True)
class Order:
    """The jobs that wait in a category, the next one first.

    `starts`: the virtual second in which each line has its turn.
    """

    jobs: Sequence[str]
    starts: Mapping[LineName, float]


def read_waiting(pipe: Any, category: str) -> None:
    """Add to a pipeline what reads the ids of all jobs that wait to be taken, in no order."""
    pipe.lrange(keys.queue(category), 0, -1)
    for each in CLASSES:
        pipe.zrange(keys.waiting(category, each), 0, -1)


async def order(connection: redis.asyncio.Redis, category: str) -> list[str]:
    """The jobs that wait to be taken, the next one first."""
    return list((await orders(connection, [category]))[category].jobs)


async def orders(
    connection: redis.asyncio.Redis,
    categories: Sequence[str],
    most: int | None = None,
    paused: Collection[str] = (),
) -> dict[str, Order]:
    """The same of several categories, in two round trips; the first `most` jobs of each, without `paused` classes.

    With `most`, the time does not grow with the number of waiting jobs. `paused` are names such as `llm:background`.
    """
    last = -1 if most is None else most - 1
    async with connection.pipeline(transaction=False) as pipe:
        for category in categories:
            pipe.lrange(keys.queue(category), 0, last)
            pipe.hget(keys.turns(category), "usual")
            for each in CLASSES:
                pipe.zrange(
                    keys.lines(category, each), 0, -1 if most is None else _MOST_APPS, withscores=True
                )
        found: list[Any] = await pipe.execute() if categories else []
    width = 2 + len(CLASSES)
    told = {category: found[at * width : (at + 1) * width] for at, category in enumerate(categories)}
    wanted = [
        (category, each, lines)
        for category, (_, _, *classes) in told.items()
        for each, lines in zip(CLASSES, classes, strict=True)
        if lines and f"{category}:{each}" not in paused
    ]
    async with connection.pipeline(transaction=False) as pipe:
        for category, each, lines in wanted:
            for app, _ in lines:
                pipe.lrange(keys.line(category, each, app), 0, last)
        ids = iter(await pipe.execute() if wanted else [])
    waiting: dict[str, tuple[list[Any], list[Any]]] = {category: ([], []) for category in categories}
    starts: dict[str, dict[LineName, float]] = {category: {} for category in categories}
    for category, each, lines in wanted:
        waiting[category][0].append(lines)
        waiting[category][1].append([next(ids) for _ in lines])
        starts[category] |= {(each, app): float(start) for app, start in lines}
    return {
        category: Order(ordered(*waiting[category], requeued, float(usual or 1))[:most], starts[category])
        for category, (requeued, usual, *_) in told.items()
    }


def ordered(
    classes: Sequence[Sequence[_Line]],
    jobs: Sequence[Sequence[Sequence[str]]],
    requeued: Sequence[str],
    usual: float,
) -> list[str]:
    """The jobs of the lines of each class, and those that RQ's tools have queued, in the order of their starts."""
    found = list[str]()
    for lines, ids in zip(classes, jobs, strict=True):
        found += _by_turns(lines, ids, usual)
    return [*found, *requeued]


def _by_turns(lines: Sequence[_Line], jobs: Sequence[Sequence[str]], usual: float) -> list[str]:
    """The jobs of these lines, which are in the order of their starts."""
    if len(lines) == 1:
        return list(jobs[0])
    turns = [
        (float("-inf") if app == FIRST else start + number * usual, place, number, job_id)
        for place, ((app, start), ids) in enumerate(zip(lines, jobs, strict=True))
        for number, job_id in enumerate(ids)
    ]
    return [job_id for *_, job_id in sorted(turns)]


async def place_of(connection: redis.asyncio.Redis, job_id: str) -> int | None:
    """The job's place in its queue, 1 is next; None where it has none."""
    text, sha = script("place")
    try:
        place: Any = await connection.evalsha(sha, 0, job_id)
    except NoScriptError:
        place = await connection.eval(text, 0, job_id)
    return None if place is None else int(place)
