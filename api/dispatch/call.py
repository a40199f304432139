"""Waits for a job on behalf of a client, and parts with it when the client disconnects."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from starlette.types import Receive

from api.dispatch.delivery import Delivery
from api.http.answers.disconnect import ClientGone, while_connected
from config.logs import CONCERNED
from jobs.bus import Watch
from jobs.client import JobClient, Submission
from jobs.errors import (
    JobCancelled,
    JobExpired,
    JobNotFound,
    MlxqError,
    ServiceUnavailable,
)
from jobs.events import Completed, Entry, Event, Expired, Failed
from jobs.gate import Parting
from jobs.request import JobRequest


@asynccontextmanager
async def call(
    jobs: JobClient,
    request: JobRequest,
    receive: Receive,
    *,
    keep: bool = False,
    delivery: Delivery | None = None,
) -> AsyncIterator[tuple[Submission, Watch]]:
    """Submit a job for a client that stays connected; raises ClientGone when it does not.

    The job then lingers, or is cancelled, unless `keep` or another call waits for it too. When this server stops, the
    job goes on: its client can come back for it. `delivery` tells whether the answer arrives; without it, it does.
    """
    async with jobs.submit(request) as (submission, watch):
        job_id = submission.job_id
        CONCERNED.set(lambda: (job_id,))
        try:
            async with while_connected(receive):
                yield submission, watch
        except ClientGone:
            await jobs.part(watch, Parting.KEPT if keep else Parting.LEFT)
            raise
        if watch.ended and delivery is not None:
            delivery.expect(watch)
        elif watch.ended:
            jobs.deliver(watch)


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
