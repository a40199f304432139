"""Drives one batch: checks its input, keeps a few of its requests in the queue, and writes their outcomes.

What it knows can be read from Redis at any time: after an error, or in another process, it begins anew from there.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

import msgspec
from fastapi import FastAPI
from redis.exceptions import RedisError

from api.batches.answers import Answers
from api.batches.output import Output
from api.batches.preparation import Preparation
from api.dispatch.batch_dialect import Line, Unanswered
from api.http.answers.errors import to_error
from api.http.context import Context
from jobs.batches import Batch, BatchProblem, BatchRequest, BatchStatus, BatchStore, Begun, Problems, Reader
from jobs.batches.requests import sent
from jobs.batches.store import ForgottenJob
from jobs.client import JobClient
from jobs.errors import (
    BlobGone,
    Conflict,
    HubUnavailable,
    InsufficientStorage,
    JobNotFound,
    MlxqError,
    QueueFull,
    ServiceUnavailable,
)
from jobs.files import FileStore
from jobs.info import JobInfo
from jobs.outcomes import outcomes
from jobs.redis.clock import CLOCK
from jobs.status import JobStatus

log = logging.getLogger(__name__)

#: Seconds between two looks at the jobs: while they end, and while nothing happens.
_SOON, _LATER = 0.01, 0.25
#: Lines that are read in one go, and their bytes.
_LINES, _BYTES = 500, 1 << 20
#: Codes of jobs that had to give their places to others.
_DISPLACED = ("displaced", QueueFull.code)
#: Results that are in memory at the same time.
_TOGETHER = 8


def passes(error: MlxqError) -> bool:
    """Whether an error says something of the server's state, not of the request."""
    waits = isinstance(error, QueueFull | ServiceUnavailable | InsufficientStorage)
    return waits and not isinstance(error, HubUnavailable)


class Drive:
    """`status` is kept up to date by whoever renews the right to drive."""

    def __init__(self, app: FastAPI, jobs: JobClient, batch: Batch, token: str) -> None:
        context: Context = app.state.context
        settings = context.settings
        self.status = batch.status
        self._jobs, self._batch, self._token = jobs, batch, token
        self._blobs = context.blobs
        self._store, self._files = BatchStore(jobs.redis), FileStore(jobs.redis)
        self._longest, self._most = settings.max_body_bytes, settings.max_batch_requests
        #: requests that wait in the queue: of this batch, and of all clients where it has them
        self._window, self._limit = settings.batch_window, max(1, settings.queue_limit // 2)
        self._reader = Reader(self._blobs, batch.asked.input_blob, settings.max_body_bytes)
        self._preparation = Preparation(app, jobs, batch.asked)
        self._answers = Answers(app, batch.asked)
        self._output = Output(self._blobs, self._store, token, batch)
        #: requests without an outcome, by number
        self._begun: dict[int, Begun] = {}
        #: their jobs, and the numbers of those that have none
        self._running: dict[str, int] = {}
        self._waiting: deque[int] = deque()
        self._queued = 0
        #: lines that were just read
        self._lines: dict[int, bytes] = {}
        self._all_read = self._called_off = False
        #: why requests have no answer
        self._cut: Unanswered | None = "expired" if batch.count("expired") else None

    async def run(self) -> None:
        """Returns when the batch has ended. Raises Lost, RedisError, OSError, and MlxqError where `passes`."""
        try:
            if self.status is BatchStatus.VALIDATING and not await self._check():
                return
            if self.status is BatchStatus.CANCELLING and BatchStatus.IN_PROGRESS not in self._batch.times:
                await self._finish(BatchStatus.CANCELLED)
                return
            await self._answer()
        except BlobGone as error:
            problem = BatchProblem("input_file_gone", error.message, param="input_file_id")
            await self._store.refuse(self._batch, self._token, self._batch.total, [problem])

    async def _check(self) -> bool:
        """Check the whole input. False: it is wrong."""
        problems = Problems(self._batch.asked.endpoint, self._longest, self._most)
        offset = number = 0

        def look() -> bool:
            nonlocal offset, number
            requests, offset = self._reader.read(offset, number, _LINES, _BYTES)
            problems.check(requests)
            number = requests[-1].number if requests else number
            return bool(requests)

        while await asyncio.to_thread(look) and not problems.too_many:
            if self.status is BatchStatus.CANCELLING:
                return True
        problems.end()
        if problems.found:
            await self._store.refuse(self._batch, self._token, problems.total, problems.found)
            return False
        self.status = await self._store.begin(self._batch.id, self._token, problems.total)
        return True

    async def _answer(self) -> None:
        await self._output.load(self._files)
        self._begun = await self._store.begun(self._batch.id)
        self._running = {
            self._preparation.job_id(number, begun): number for number, begun in self._begun.items()
        }
        pause = _SOON
        while True:
            why = self._stopped
            moved = await self._collect(why)
            moved |= await (self._submit() if why is None else self._pass_over(why))
            over = self._all_read and not self._begun
            if self._output.due or (over and not self._output.empty):
                await self._output.write()
            if over and self._output.empty:
                break
            pause = _SOON if moved else min(2 * pause, _LATER)
            await asyncio.sleep(pause)
        await self._end()

    @property
    def _stopped(self) -> Unanswered | None:
        """Why no more requests become jobs."""
        if self.status is BatchStatus.CANCELLING:
            return "cancelled"
        return "expired" if CLOCK.now() >= self._batch.asked.expires_at else None

    async def _end(self) -> None:
        if self._cut == "expired":
            await self._finish(BatchStatus.EXPIRED)
            return
        self.status = await self._store.finalize(self._batch.id, self._token)
        cancelled = self.status is BatchStatus.CANCELLING
        await self._finish(BatchStatus.CANCELLED if cancelled else BatchStatus.COMPLETED)

    async def _finish(self, status: BatchStatus) -> None:
        await self._store.finish(self._batch, self._token, status)
        log.info("batch %s is %s", self._batch.id, status.value)

    async def _collect(self, why: Unanswered | None) -> bool:
        """Take the outcomes of jobs that have ended. Whether there were any."""
        look = await self._store.look(list(self._running))
        self._queued = look.waiting
        for job_id in look.gone:
            self._waiting.append(self._running.pop(job_id))
        left = iter(look.ended)
        while group := list(islice(left, _TOGETHER)):
            for job_id, info in zip(group, await outcomes(self._jobs.redis, group), strict=True):
                number = self._running.pop(job_id)
                if info is None:
                    self._waiting.append(number)
                else:
                    await self._take(number, info, why)
                    # Requests of clients are served between two outcomes.
                    await asyncio.sleep(0)
            if self._output.due:
                await self._output.write()
        return bool(look.ended or look.gone)

    async def _take(self, number: int, info: JobInfo, why: Unanswered | None) -> None:
        begun = self._begun[number]
        job = ForgottenJob(info.id, info.queue, self._preparation.scope(number, begun))
        if info.error is not None and info.error.code in _DISPLACED and why is None:
            # It gave its place to another job: it becomes a job again.
            again = msgspec.structs.replace(begun, attempt=begun.attempt + 1)
            await self._begin({number: again}, [job])
            return
        line, leaves_files = self._line(number, begun), False
        if why is not None and info.status in (JobStatus.CANCELLED, JobStatus.EXPIRED):
            self._add_unanswered(line, why, number)
        else:
            try:
                outcome, tokens, leaves_files = await self._answers.of(line, info)
            except Exception as error:
                outcome, tokens = self._answers.dialect.failed(line, to_error(error)), {}
            self._output.add(outcome, number, tokens)
        if not leaves_files:
            self._output.forget(job)
        del self._begun[number]

    def _line(self, number: int, begun: Begun) -> Line:
        scope = self._preparation.scope(number, Begun(begun.custom_id, begun.offset))
        return Line(f"batch_req_{scope[:24]}", begun.custom_id, self._preparation.job_id(number, begun))

    async def _submit(self) -> bool:
        """Make jobs of requests while there is room in the queue. Whether there was any."""
        room, moved = self._window - self._queued, False
        while room > 0 and not self._output.due:
            if not self._waiting and not await self._read_on(room):
                break
            number = self._waiting.popleft()
            try:
                room -= await self._make_job(number)
            except QueueFull:
                self._waiting.appendleft(number)
                break
            moved = True
        return moved

    async def _read_on(self, most: int) -> bool:
        """Begin the next requests. False at the end of the input."""
        requests = await self._next(most)
        self._lines |= {request.number: request.data for request in requests}
        await self._begin(
            {request.number: Begun(sent(request.data)[0], request.offset) for request in requests}
        )
        return bool(requests)

    async def _next(self, most: int) -> Sequence[BatchRequest]:
        if self._all_read:
            return ()
        output = self._output
        requests, output.offset = await asyncio.to_thread(
            self._reader.read, output.offset, output.number, most, _BYTES
        )
        if requests:
            output.number = requests[-1].number
        self._all_read = not requests
        return requests

    async def _begin(self, begun: dict[int, Begun], forgotten: Sequence[ForgottenJob] = ()) -> None:
        if begun:
            await self._output.begin(begun, forgotten)
            self._begun |= begun
            self._waiting.extend(begun)

    async def _make_job(self, number: int) -> bool:
        """Whether it became one. Raises MlxqError where it may become one later."""
        begun = self._begun[number]
        line = self._lines.pop(number, b"") or await asyncio.to_thread(self._reader.at, begun.offset)
        try:
            job = await self._preparation.job(number, begun, line)
            await self._jobs.enqueue(job, self._limit)
        except Exception as problem:
            error = to_error(problem)
            if passes(error):
                raise error from problem
            self._output.add(self._answers.dialect.failed(self._line(number, begun), error), number)
            del self._begun[number]
            return False
        self._running[job.id] = number
        return True

    async def _pass_over(self, why: Unanswered) -> bool:
        """Call off what was begun, and pass over what was not. Whether there was anything to do."""
        if not self._called_off:
            self._called_off = True
            for job_id in list(self._running):
                await self._call_off(job_id)
        moved = bool(self._waiting)
        while self._waiting:
            number = self._waiting.popleft()
            self._add_unanswered(self._line(number, self._begun.pop(number)), why, number)
        for request in await self._next(_LINES):
            moved = True
            begun = Begun(sent(request.data)[0], request.offset)
            self._add_unanswered(self._line(request.number, begun), why)
        return moved

    def _add_unanswered(self, line: Line, why: Unanswered, number: int | None = None) -> None:
        self._cut = why
        self._output.add(self._answers.dialect.unanswered(line, why), number)

    async def _call_off(self, job_id: str) -> None:
        with suppress(JobNotFound, Conflict):
            await self._jobs.cancel(job_id)


#: What a drive may fail with, to begin anew.
TROUBLE = (RedisError, OSError, MlxqError)
