"""JobClient: everything the API does with jobs. It knows Redis, not HTTP and not MLX.

What it only reads is in `reader.py`, what users change of the order of jobs in `queue/control.py`.
"""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from config.settings import Settings
from jobs import keys, live_settings
from jobs.bus import ResultBus, Watch
from jobs.callers import Callers
from jobs.commands import DOWNLOAD
from jobs.deliveries import Deliveries
from jobs.errors import (
    MAX_RETRY_AFTER,
    Conflict,
    JobNotFound,
    MlxqError,
    QueueFull,
)
from jobs.eta import Estimator, next_place
from jobs.gate import Admission, AsyncGate, Parting, Ttl
from jobs.info import JobInfo, ending
from jobs.job_log import log_end
from jobs.kinds import DOWNLOADS
from jobs.live_settings import LiveSettings
from jobs.meta import NOTHING_NOTED, Meta, decode_meta
from jobs.queue.control import QueueControl
from jobs.reader import JobReader
from jobs.redis.clock import CLOCK, set_clock_async
from jobs.redis.connection import async_connection
from jobs.redis.errors import no_memory, told
from jobs.redis.permissions import check_async
from jobs.request import JobRequest
from jobs.status import JobStatus

log = logging.getLogger(__name__)

#: Seconds between two lines about the same shortage.
_REMIND = 60.0
#: Seconds for which Redis' user may still do what it could.
_RECHECK = 10.0


@dataclass(frozen=True, slots=True)
class Submission:
    """An accepted job, with the `meta` that it was submitted with.

    `attached`: the request led to a job that was already there; of `enqueue` it is then that of this request.
    """

    job_id: str
    attached: bool
    position: int | None = None
    meta: Meta = NOTHING_NOTED


class JobClient(JobReader):
    """Start it with the API and stop it with the API. Errors of Redis surface as ServiceUnavailable."""

    def __init__(self, address: str, *, queue_limit: int, ttl: Ttl, keep_bytes: int = 0) -> None:
        """`keep_bytes`: requests up to this size stay with their jobs after the end."""
        self.redis: redis.asyncio.Redis = async_connection(address)
        self.estimator = Estimator(self.redis)
        self.bus = ResultBus(async_connection(address, blocking_reads=True), self.redis, self.estimator)
        self._gate = AsyncGate(self.redis, ttl, keep_bytes=keep_bytes)
        self.control = QueueControl(self.redis, self._gate)
        self._queue_limit = queue_limit
        self._callers = Callers()
        self._deliveries = Deliveries(lambda jobs: self._gate.deliver(self.bus.process, jobs))
        self._allowed_at = float("-inf")
        self._told_of_memory = self._short_at = float("-inf")

    async def start(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await set_clock_async(self.redis)
        await self.bus.start()

    async def stop(self) -> None:
        await self._deliveries.stop()
        await self.bus.stop()
        await self.redis.aclose()

    @asynccontextmanager
    async def submit(self, request: JobRequest) -> AsyncIterator[tuple[Submission, Watch]]:
        """Enqueue a job and wait for it. The watch is registered before the job is, so nothing can be missed.

        Say `deliver` when the client has got the whole answer, or `part` when it waits no more before that. Who does
        neither, of a job that has not ended, comes back for it (TOLD), or, after an exception, has left (KEPT).
        Raises QueueFull, Conflict (an idempotency key used for another body) or ServiceUnavailable.
        """
        watch = self.bus.watch(request.id, request.queue, accepted=False)
        try:
            submission = await self._admit(request, self.bus.process)
            if submission.attached:
                self.bus.forget(watch)
                watch = self.bus.watch(submission.job_id, request.queue)
                self._callers.enter(watch, request.fingerprint)
                info = await self.info(submission.job_id, with_result=True)
                watch.queue = info.queue
                await self._catch_up(watch, info)
                created = decode_meta(info.meta, Meta).created
                meta = msgspec.structs.replace(request.meta, created=created)
                submission = replace(submission, meta=meta)
            else:
                self._callers.enter(watch, request.fingerprint)
                watch.accepted = True
                watch.position = submission.position
            yield submission, watch
            if not watch.ended:
                await self.part(watch, Parting.TOLD)
        except BaseException:
            await self.part(watch, Parting.KEPT)
            raise
        finally:
            self.bus.forget(watch)

    async def enqueue(self, request: JobRequest, limit: int | None = None) -> Submission:
        """Enqueue a job that nobody waits for, where fewer than `limit` wait; else as QUEUE_LIMIT says."""
        return await self._admit(request, limit=limit)

    def deliver(self, watch: Watch) -> None:
        """The client of this `submit` has got the whole answer. It is written down a moment later."""
        if (left := self._callers.leave(watch)) is not None:
            self._deliveries.note(watch.job_id, left.fingerprint, last=left.last)

    async def part(self, watch: Watch, parting: Parting) -> None:
        """The client of this `submit` waits no more, and has not got the whole answer. Redis may be away."""
        left = self._callers.leave(watch)
        if left is None or not left.last:
            return
        job_id = watch.job_id
        self.bus.forget(watch)
        try:
            with told():
                async with self._deliveries.writing(left.fingerprint):
                    answer = await self._gate.leave(
                        job_id, self.bus.process, parting, watching=self.bus.watches(job_id)
                    )
                if answer == "cancelled":
                    await self._log_cancelled(job_id)
        except MlxqError as error:
            log.warning("job %s was not told that its client has left: %s", job_id, error.message)

    async def _admit(self, request: JobRequest, process: str = "", *, limit: int | None = None) -> Submission:
        after = (await self._admit(request.needs)).job_id if request.needs else ""
        evicted = self._gate.evicted
        if request.fingerprint:
            await self._deliveries.written(request.fingerprint)
        try:
            with told():
                most = self._queue_limit if limit is None else limit
                verdict, detail = await self._gate.admit(request, most, after, process)
        except BaseException:
            # Redis may have accepted the job before it was lost: its files stay, and are swept if it has not.
            if request.uploads is not None:
                request.uploads.hand_over()
            raise
        if verdict is Admission.MEMORY or self._gate.evicted > evicted:
            self._short_at = time.monotonic()
            self._tell_of_memory()
        if request.uploads is not None and verdict is not Admission.OK:
            await asyncio.to_thread(request.uploads.discard)
        match verdict:
            case Admission.OK:
                if request.uploads is not None:
                    request.uploads.hand_over()
                if request.queue == DOWNLOADS:
                    await self._tell_of_download()
                return Submission(request.id, False, int(detail) or None, request.meta)
            case Admission.EXISTS:
                return Submission(detail, attached=True)
            case Admission.CONFLICT:
                raise Conflict("This Idempotency-Key was used for another request.", param="Idempotency-Key")
            case Admission.FULL:
                raise QueueFull(
                    f"The {request.queue} queue is full ({detail} jobs wait). Try again later.",
                    retry_after=await self._retry_after(request.queue),
                )
            case Admission.MEMORY:
                raise no_memory()

    async def _tell_of_download(self) -> None:
        """Workers look at their next beat, should this be lost."""
        with contextlib.suppress(RedisError, OSError):
            await self.redis.publish(keys.COMMANDS, DOWNLOAD)

    def _tell_of_memory(self) -> None:
        """One line, and one a minute while it goes on."""
        if time.monotonic() - self._told_of_memory < _REMIND:
            return
        self._told_of_memory = time.monotonic()
        log.warning(
            "Redis' memory is short (REDIS_MAXMEMORY_MB): %d ended jobs were deleted before their time so far; "
            "requests are refused with 503 while that is not enough",
            self._gate.evicted,
        )

    async def denied(self) -> str | None:
        """What the Redis user may not do and must, in a sentence; None where it may all."""
        now = time.monotonic()
        if now - self._allowed_at < _RECHECK:
            return None
        with told():
            found = await check_async(self.redis)
        if not found:
            self._allowed_at = now
        return str(found) if found else None

    async def memory_short(self) -> bool:
        """Whether Redis' memory is short, or was in the last minute. A Redis that is quite full can't say so."""
        if time.monotonic() - self._short_at < _REMIND:
            return True
        with told():
            return bool(await self.redis.exists(keys.MEMORY_SHORT))

    async def _retry_after(self, queue: str) -> int:
        """Seconds after which a place may be free, and a little more, so that not all come back together."""
        with contextlib.suppress(RedisError, OSError):
            seconds = await next_place(self.redis, queue, await self.estimator.snapshot())
            return max(1, min(MAX_RETRY_AFTER, math.ceil(seconds * random.uniform(1.0, 1.25))))
        return 1

    @asynccontextmanager
    async def watch(self, job_id: str, after: str = "0-0") -> AsyncIterator[Watch]:
        """Watch a job that is already there, from the event after `after`. JobNotFound."""
        info = await self.info(job_id, with_result=True)
        watch = self.bus.watch(job_id, info.queue, after)
        try:
            await self._catch_up(watch, info)
            yield watch
        finally:
            self.bus.forget(watch)

    async def _catch_up(self, watch: Watch, info: JobInfo) -> None:
        """Read the job's events. An ended job whose events have expired still tells how it ended."""
        with told():
            await watch.catch_up()
            watch.position = info.position
            if info.status.terminal and not await self.redis.exists(keys.events(info.id)):
                watch.deliver(ending(info))

    async def cancel(self, job_id: str) -> JobStatus:
        """Cancel a job. Returns CANCELLED, or IN_PROGRESS while its worker still has to see the flag.

        Raises JobNotFound, or Conflict when the job has already ended.
        """
        with told():
            answer = await self._gate.cancel(job_id)
            if answer == "cancelled":
                await self._log_cancelled(job_id)
        match answer:
            case "cancelled":
                return JobStatus.CANCELLED
            case "cancelling":
                return JobStatus.IN_PROGRESS
            case "gone":
                raise JobNotFound(f"No job with id '{job_id}'.")
            case ended:
                status = JobStatus.from_rq(ended)
                raise Conflict(f"Job '{job_id}' has already ended ({status}).")

    async def _log_cancelled(self, job_id: str) -> None:
        """Log the end of a job that never ran."""
        said: Any = await self.redis.hmget(
            keys.job(job_id), "mlxq_kind", "mlxq_model", "mlxq_app", "mlxq_submitted_ms"
        )
        kind, model, app, submitted = said
        waited = max(0.0, CLOCK.now() - int(submitted) / 1000) if submitted else None
        log_end(job_id, JobStatus.CANCELLED, kind=kind or "", model=model or "", app=app or "", waited=waited)

    async def let_go(self, job_id: str, queue: str, after: int) -> None:
        """Forget an ended job in `after` seconds: it was delivered. While Redis is away it stays as others do."""
        with contextlib.suppress(RedisError, OSError):
            async with self.redis.pipeline(transaction=False) as pipe:
                for key in (keys.job(job_id), keys.results(job_id), keys.events(job_id), keys.files(job_id)):
                    pipe.expire(key, after)
                pipe.zadd(keys.finished(queue), {job_id: CLOCK.now() + after}, xx=True)
                await pipe.execute()

    async def command(self, command: str) -> None:
        """Tell all workers."""
        with told():
            await self.redis.publish(keys.COMMANDS, command)

    async def loaded_voice(self) -> str | None:
        """The path of the recording that speaks for requests without a voice, if one was loaded."""
        with told():
            path: Any = await self.redis.get(keys.LOADED_VOICE)
        return str(path) if path else None

    async def load_voice(self, path: str | None) -> None:
        """Let a recording speak for them; None: what the settings say speaks again."""
        with told():
            await (self.redis.set(keys.LOADED_VOICE, path) if path else self.redis.delete(keys.LOADED_VOICE))

    async def live_settings(self, settings: Settings) -> LiveSettings:
        """What can be changed, as it is now; `settings` are those of the environment."""
        with told():
            return await live_settings.read(self.redis, LiveSettings.of(settings))

    async def change_setting(self, settings: Settings, key: str, value: object) -> LiveSettings:
        """Change one of them for all processes. Raises NotFound and InvalidRequest."""
        await asyncio.to_thread(live_settings.check_allowed, settings, key, value)
        with told():
            return await live_settings.write(self.redis, LiveSettings.of(settings), key, value)
