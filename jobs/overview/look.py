"""One look into Redis at all that waits and runs. It knows the answer of `look.lua`, and keeps nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis.asyncio

from jobs import keys
from jobs.info import FIELDS, JobInfo, decode
from jobs.kinds import QUEUES
from jobs.queue.order import ordered
from jobs.redis.script import Script
from jobs.service_class import CLASSES
from jobs.worker_state import WorkerState, decode_state

#: Waiting jobs of a queue, new ones in one look, and running ones of a queue that are looked at.
MOST_WAITING, MOST_NEW, MOST_RUNNING = 1000, 200, 256

#: Jobs that are read in one go.
_PAGE = 100

_SCRIPT = Script(Path(__file__).with_name("look.lua"))
_FIELDS_JSON = msgspec.json.encode(FIELDS)

#: The values of these fields.
Row = Sequence[str | None]


class Execution(NamedTuple):
    """A running job, or one that waits for a download. `mark` changes when it has to be read again.

    `progress` is JSON or ''.
    """

    job_id: str
    mark: str
    progress: str
    #: the number of its newest file
    newest: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The jobs of a queue that wait: `order` are those with a place, the next one first.

    `places` says of each where it waits: its class, or the list that it is in. `cut`: there are more than these.
    """

    order: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """`new` are jobs by the millisecond of their submission. `waiting` has the queues whose jobs have changed.

    `rows`, which `info_of` reads, are those of new jobs, of running ones whose mark has changed, and of jobs that do
    not run any more.
    """

    time: float
    new: Mapping[str, int]
    paused: frozenset[str]
    digests: Mapping[str, str]
    waiting: Mapping[str, Waiting]
    running: Sequence[Execution]
    rows: Mapping[str, Row]
    #: None: they were not asked for
    workers: Sequence[WorkerState] | None


async def look(
    connection: redis.asyncio.Redis,
    since: int,
    digests: Mapping[str, str],
    marks: Mapping[str, str],
    *,
    workers: bool,
) -> Look:
    """What is there now. Raises RedisError.

    `since` is the millisecond from which jobs are new. `digests` of queues and `marks` of running jobs are known.
    """
    known = [part for queue in QUEUES for part in (queue, digests.get(queue, ""))]
    bounds = (MOST_WAITING, MOST_NEW, MOST_RUNNING)
    known_marks = msgspec.json.encode(marks)
    answer: Any = await _SCRIPT(
        connection, (), since, *bounds, _FIELDS_JSON, known_marks, int(workers), *known
    )
    time, new, paused, categories, rows, states = answer
    queues = dict(zip(QUEUES, categories, strict=True))
    return Look(
        time=float(time),
        new={job_id: int(float(at)) for job_id, at in zip(new[::2], new[1::2], strict=True)},
        paused=frozenset(paused),
        digests={queue: row[0] for queue, row in queues.items()},
        waiting={queue: _waiting(row[1]) for queue, row in queues.items() if row[1]},
        running=[
            Execution(job_id, mark, progress, int(newest) if newest != "" else None)
            for row in queues.values()
            for job_id, mark, progress, newest in row[2]
        ],
        rows=dict(zip(rows[::2], rows[1::2], strict=True)),
        workers=[state for text in states if (state := decode_state(text)) is not None] if workers else None,
    )


async def read(connection: redis.asyncio.Redis, ids: Sequence[str]) -> dict[str, Row]:
    """The rows of these jobs. Raises RedisError."""
    found = dict[str, Row]()
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        async with connection.pipeline(transaction=False) as pipe:
            for job_id in page:
                pipe.hmget(keys.job(job_id), FIELDS)
            found |= zip(page, await pipe.execute(), strict=True)
    return found


def info_of(job_id: str, row: Row) -> JobInfo | None:
    """The job as it stands; None: it is gone."""
    return None if row[0] is None else decode(job_id, row)


def _waiting(lists: list[Any]) -> Waiting:
    usual, requeued, taken, held, deferred, *classes = lists
    lines = [[(app, float(start)) for app, start, _ in each] for each in classes]
    ids = [[jobs for *_, jobs in each] for each in classes]
    order = ordered(lines, ids, requeued, float(usual))
    named = {"taken": taken, "held": held, "deferred": deferred, "requeued": requeued}
    places = {job_id: name for name in ("taken", "requeued") for job_id in named[name]}
    for name in ("held", "deferred"):
        for each in named[name]:
            job_id, _, its_class = each.partition(" ")
            places[job_id] = f"{name} {its_class}"
    for name, lists_of_apps in zip(CLASSES, ids, strict=True):
        places |= {job_id: name.value for jobs in lists_of_apps for job_id in jobs}
    full = len(order) > MOST_WAITING or any(len(each) >= MOST_WAITING for each in named.values())
    if len(order) > MOST_WAITING:
        for job_id in order[MOST_WAITING:]:
            places.pop(job_id, None)
    return Waiting(tuple(order[:MOST_WAITING]), places, full)
