"""What the API reads of jobs, queues and workers. It changes nothing."""

import contextlib
from typing import Any

import msgspec
import redis.asyncio

from jobs import keys
from jobs.errors import JobNotFound, ServiceUnavailable
from jobs.eta import Estimator, Foreseen
from jobs.info import FIELDS, JobInfo, QueueStats, decode
from jobs.outcomes import with_outcome
from jobs.queue import listing
from jobs.queue import stats as queue_stats
from jobs.queue.listing import Wanted
from jobs.queue.order import place_of
from jobs.queue.standing import live_workers
from jobs.queue.waits import wait_of
from jobs.redis.errors import told
from jobs.status import JobStatus
from jobs.worker_state import WorkerState

#: All jobs.
ANY = Wanted()


class JobReader:
    """Errors of Redis surface as ServiceUnavailable."""

    redis: redis.asyncio.Redis
    estimator: Estimator

    async def info(self, job_id: str, *, with_result: bool = False) -> JobInfo:
        """The job as it stands; its result when asked for. JobNotFound."""
        with told():
            values: Any = await self.redis.hmget(keys.job(job_id), FIELDS)
            if values[0] is None or values[FIELDS.index("mlxq_kind")] is None:
                raise JobNotFound(f"No job with id '{job_id}'.")
            info = decode(job_id, values)
            if info.status is JobStatus.QUEUED:
                position = None if info.deferred else await place_of(self.redis, job_id)
                info = msgspec.structs.replace(info, position=position)
                info = info.waiting(wait_of(info, await self.paused(), await self.workers()))
            (foreseen,) = await self.estimator.of([info])
            info = _with_eta(info, foreseen)
            if with_result and info.status.terminal:
                return await with_outcome(self.redis, info)
            return info

    async def foresee(self, info: JobInfo) -> JobInfo:
        """A job that was accepted just now, with its time, its wait and its estimate, as far as Redis is there."""
        with contextlib.suppress(ServiceUnavailable), told():
            created: Any = await self.redis.hget(keys.job(info.id), "created_at")
            info = msgspec.structs.replace(info, created_at=created or info.created_at)
            info = info.waiting(wait_of(info, await self.paused(), await self.workers()))
            (foreseen,) = await self.estimator.of([info])
            return _with_eta(info, foreseen)
        return info

    async def file(self, job_id: str, number: int) -> tuple[str, str] | None:
        """The blob and the content type of a file that the job has made on its way, if it has that one."""
        with told():
            found: Any = await self.redis.hget(keys.files(job_id), str(number))
        if found is None:
            return None
        blob, _, content_type = str(found).partition(" ")
        return blob, content_type

    async def jobs(
        self, wanted: Wanted = ANY, *, limit: int = 20, after: str | None = None
    ) -> tuple[list[JobInfo], bool]:
        """Jobs, newest first, after the job `after`; and whether there are more. JobNotFound for a wrong cursor."""
        with told():
            page, more = await listing.page(self.redis, wanted, limit, after)
            if all(info.status.terminal for info in page):
                return page, more
            paused, workers = await self.paused(), await self.workers()
            page = [info.waiting(wait_of(info, paused, workers)) for info in page]
            foreseen = await self.estimator.of(page)
        return [_with_eta(*each) for each in zip(page, foreseen, strict=True)], more

    async def stats(self) -> dict[str, QueueStats]:
        """Every category's queue."""
        with told():
            return await queue_stats.stats(self.redis)

    async def waiting(self) -> list[JobInfo]:
        """Every job that waits, each queue in its order; `position` is the place in its queue."""
        with told():
            return await listing.waiting(self.redis)

    async def paused(self) -> set[str]:
        """What is paused: categories, classes of categories (`llm:background`), or `all`."""
        with told():
            return {str(name) for name in await self.redis.hkeys(keys.PAUSED)}

    async def workers(self) -> list[WorkerState]:
        """What each live worker process said at its last beat."""
        with told():
            return await live_workers(self.redis)


def _with_eta(info: JobInfo, foreseen: Foreseen) -> JobInfo:
    """The job with its estimate, and with that of the prompt where that is what it counts."""
    progress = info.progress
    if progress is not None and progress.unit == "prompt_tokens" and foreseen.read is not None:
        progress = msgspec.structs.replace(progress, eta=foreseen.read)
    return msgspec.structs.replace(info, eta=foreseen.end, progress=progress)
