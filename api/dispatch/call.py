"""Waits for a job on behalf of a client, and cancels it when the client disconnects."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from starlette.types import Receive

from api.http.disconnect import ClientGone, while_connected
from config.logs import CONCERNED
from jobs.bus import Watch
from jobs.client import JobClient, Submission
from jobs.errors import (
    Conflict,
    JobCancelled,
    JobExpired,
    JobNotFound,
    MlxqError,
    ServiceUnavailable,
)
from jobs.events import Completed, Entry, Event, Expired, Failed
from jobs.request import JobRequest

log = logging.getLogger(__name__)


@asynccontextmanager
async def call(
    jobs: JobClient, request: JobRequest, receive: Receive, *, keep: bool = False
) -> AsyncIterator[tuple[Submission, Watch]]:
    """Submit a job for a client that stays connected; raises ClientGone when it does not.

    The job is then cancelled, unless `keep` or another call waits for it too. When this server stops, the job
    goes on: its client can come back for it.
    """
    async with jobs.submit(request) as (submission, watch):
        job_id = submission.job_id
        CONCERNED.set(lambda: (job_id,))
        try:
            async with while_connected(receive):
                yield submission, watch
        except ClientGone:
            if not keep:
                await _abandon(jobs, watch)
            raise


async def _abandon(jobs: JobClient, watch: Watch) -> None:
    """Cancel a job that nobody waits for any more, if it still can be."""
    try:
        await jobs.abandon(watch)
    except (JobNotFound, Conflict):
        return
    except MlxqError as error:
        log.warning("job %s could not be cancelled after its client left: %s", watch.job_id, error.message)


async def outcome(watch: Watch, timeout: float | None = None) -> msgspec.Raw | None:
    """The job's result; None when it has not ended after `timeout` seconds. Raises its error."""
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    while True:
        left = None if deadline is None else max(0.0, deadline - loop.time())
        entry = await next_event(watch, left)
        if entry is None:
            return None
        if entry.terminal:
            return result_of(entry.event)


async def next_event(watch: Watch, timeout: float | None) -> Entry | None:
    """The next event or None after `timeout`. A job that has vanished is a reason to try again."""
    try:
        return await watch.next(timeout)
    except JobNotFound:
        raise ServiceUnavailable("The job was lost before it ended. Send the request again.") from None


def result_of(event: Event) -> msgspec.Raw:
    """What a terminal event says: the result, in JSON, or the error it stands for, raised."""
    if isinstance(event, Completed):
        return event.result
    raise ending_error(event)


def ending_error(event: Event) -> MlxqError:
    """The error that a job ended with."""
    match event:
        case Failed(error=fields):
            return MlxqError.of(fields)
        case Expired():
            return JobExpired("The job waited longer than its caller would have, and was not started.")
        case _:
            return JobCancelled("The job was cancelled.")
