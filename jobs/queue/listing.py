"""Lists of jobs: all by age, and queued ones. It only reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import redis.asyncio

from jobs import keys
from jobs.errors import JobNotFound
from jobs.info import FIELDS, JobInfo, decode
from jobs.kinds import QUEUES
from jobs.queue.order import order
from jobs.status import JobStatus

#: Jobs looked at in one go.
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs to list; None: any. With an `owner`, those of others do not exist, not even as a cursor.

    `model` and `id` are parts of the names.
    """

    status: JobStatus | None = None
    queue: str | None = None
    app: str | None = None
    owner: str | None = None
    kind: str | None = None
    model: str | None = None
    id: str | None = None

    def __call__(self, info: JobInfo) -> bool:
        return (
            self.status in (None, info.status)
            and self.queue in (None, info.queue)
            and self.app in (None, info.app)
            and self.owner in (None, info.owner)
            and self.kind in (None, info.kind)
            and (self.model is None or self.model in info.model)
            and (self.id is None or self.id in info.id)
        )


async def page(
    connection: redis.asyncio.Redis, wanted: Wanted, limit: int, after: str | None
) -> tuple[list[JobInfo], bool]:
    """Jobs, newest first, after the job `after`, and whether there are more. JobNotFound for an unknown cursor.

    The cursor is a job's place in time, so that it stays valid while jobs come and go.
    """
    found: list[JobInfo] = []
    upper, skip = "+inf", None
    if after is not None:
        score = await connection.zscore(keys.JOBS, after)
        whose = None
        if wanted.owner is not None:
            whose = await connection.hget(keys.job(after), "mlxq_owner")
        if score is None or (whose is not None and whose != wanted.owner):
            raise JobNotFound(f"No job with id '{after}' to go on after.")
        upper, skip = repr(int(score)), after
    offset, passed, more = 0, skip is None, False
    while not more:
        ids: Any = await connection.zrevrangebyscore(keys.JOBS, upper, "-inf", start=offset, num=_PAGE)
        if not ids:
            break
        offset += len(ids)
        for job_id, info in zip(ids, await read(connection, ids), strict=True):
            if not passed:
                passed = job_id == skip
            elif info is not None and wanted(info):
                if len(found) == limit:
                    more = True
                    break
                found.append(info)
    return await _placed(connection, found), more


async def read(connection: redis.asyncio.Redis, ids: Sequence[str]) -> list[JobInfo | None]:
    """These jobs as they stand; None for those that are gone."""
    async with connection.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hmget(keys.job(job_id), FIELDS)
        rows: list[Any] = await pipe.execute() if ids else []
    return [
        None if values[0] is None else decode(job_id, values)
        for job_id, values in zip(ids, rows, strict=True)
    ]


async def _placed(connection: redis.asyncio.Redis, infos: list[JobInfo]) -> list[JobInfo]:
    """The same, with the places of those that wait: each queue is read once."""
    places: dict[str, int] = {}
    for queue in sorted({info.queue for info in infos if info.status is JobStatus.QUEUED}):
        places |= {job_id: place for place, job_id in enumerate(await order(connection, queue), start=1)}
    if not places:
        return infos
    return [
        msgspec.structs.replace(info, position=places.get(info.id))
        if info.status is JobStatus.QUEUED
        else info
        for info in infos
    ]


async def waiting(connection: redis.asyncio.Redis) -> list[JobInfo]:
    """Every job that waits, each queue in its order; `position` is the place in its queue."""
    found: list[JobInfo] = []
    for queue in QUEUES:
        ids = await order(connection, queue)
        found += [
            msgspec.structs.replace(info, position=place)
            for place, info in enumerate(await read(connection, ids), start=1)
            if info is not None
        ]
    return found
