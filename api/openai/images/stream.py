"""Pictures as a stream: from a job's events to OpenAI's `partial_image` and `completed`."""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import Receive

from api.dispatch.call import call, next_event, result_of
from api.http.context import context_of, jobs_of
from api.http.forwarded import base_of
from api.http.sse import HEARTBEAT, PATIENCE, Heartbeat, Write
from api.openai.images.render import completed_image, partial_image
from jobs.events import Partial
from jobs.request import JobRequest


@dataclass(frozen=True, slots=True)
class ImageStream:
    """Runs a job for one client. Each partial picture is told once, also when the job is run again.

    `keep`: the job goes on when the client leaves.
    """

    request: Request
    job: JobRequest
    keep: bool

    async def __call__(self, receive: Receive, write: Write) -> None:
        clock = asyncio.get_running_loop().time
        async with call(jobs_of(self.request), self.job, receive, keep=self.keep) as (
            accepted,
            watch,
        ):
            self.request.state.request_id = accepted.job_id
            heart, due = Heartbeat(watch), clock() + PATIENCE
            told: set[tuple[int, int]] = set()
            while True:
                entry = await next_event(watch, max(0.0, due - clock()))
                if entry is None:
                    await write(heart.beat())
                    due = clock() + HEARTBEAT
                    continue
                event = entry.event
                heart.hear(event)
                if isinstance(event, Partial):
                    which = event.index, event.number
                    if which in told:
                        continue
                    told.add(which)
                    await write(await asyncio.to_thread(self._partial, accepted.meta, event))
                    due = clock() + HEARTBEAT
                elif event.terminal:
                    result = result_of(event)
                    for index in range(len(result["images"])):
                        await write(
                            await asyncio.to_thread(
                                self._completed, accepted.job_id, accepted.meta, result, index
                            )
                        )
                    return

    def _partial(self, meta: dict[str, Any], event: Partial) -> bytes:
        data = context_of(self.request).blobs.read(event.blob)
        return _frame(partial_image(meta, event, data))

    def _completed(self, job_id: str, meta: dict[str, Any], result: dict[str, Any], index: int) -> bytes:
        read = context_of(self.request).blobs.read
        return _frame(completed_image(job_id, meta, result, index, base_of(self.request), read))


def _frame(event: dict[str, Any]) -> bytes:
    """Named as OpenAI names them."""
    return b"event: %s\ndata: %s\n\n" % (event["type"].encode(), orjson.dumps(event))
