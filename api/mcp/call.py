"""A call of a tool: its arguments, its client, and how it runs a job.

It knows jobs and their events; it does not know what the tools are, nor the SDK.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import msgspec
from starlette.requests import Request

from api.dispatch.call import call as waiting_call
from api.dispatch.call import next_event, result_of
from api.dispatch.renderers import renderers_of
from api.http.answers.warning import noted
from api.http.context import jobs_of
from api.http.job_options.prefer import SYNCHRONOUS, Preference
from api.http.middleware.forwarded import base_of
from api.mcp.content import Content, Text, contents
from api.mcp.progress import Notifier, Tell
from config.values import JsonObject
from jobs.bus import Watch
from jobs.request import JobRequest
from jobs.tool_calls import known, note

#: Seconds without news after which the client is reminded of its call. Clients may end a call after a minute.
_REMINDER = 10.0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`name`: under which the client may cancel it, which then has a session.

    A client without a session cancels a call by closing the connection, and in no other way.
    """

    request: Request
    arguments: JsonObject
    tell: Tell
    name: str | None = None

    @property
    def in_background(self) -> bool:
        return self.arguments.get("background") is True

    @property
    def preference(self) -> Preference:
        return Preference(0.0) if self.in_background else SYNCHRONOUS

    async def run(self, job: JobRequest, warnings: list[str], *, keep: bool = False) -> list[Content]:
        """The answer of the job, or where it can be asked for. `keep`: it goes on when its client leaves.

        Raises the error that the job ends with, and ClientGone.
        """
        told = [Text(f"Warning: {warning}.") for warning in (*warnings, *noted(self.request))]
        jobs = jobs_of(self.request)
        if self.in_background:
            return [_accepted((await jobs.enqueue(job)).job_id), *told]
        if self.name is None:
            job, keep = replace(job, linger=0.0), False
        async with (
            self._cancellable(job.id),
            waiting_call(jobs, job, self.request.receive, keep=keep) as (submission, watch),
        ):
            if self.name is not None and submission.attached:
                # A client that leaves cancels this task, which redis-py could miss while it connects.
                await asyncio.shield(note(jobs.redis, self.name, submission.job_id))
            result = await self._result(watch)
        renderer = renderers_of(self.request)[job.dialect, job.kind]
        answered = renderer.answered(
            submission.job_id, submission.meta, result, base_of(self.request), time.time()
        )
        made = await asyncio.to_thread(contents, self.request, answered)
        return [*(made or ()), *told]

    async def _result(self, watch: Watch) -> msgspec.Raw:
        notifier = Notifier(watch, self.tell)
        while True:
            entry = await next_event(watch, _REMINDER)
            if entry is None:
                await notifier.remind()
            elif entry.terminal:
                return result_of(entry.event)
            else:
                await notifier.hear(entry.event)

    @asynccontextmanager
    async def _cancellable(self, job_id: str) -> AsyncIterator[None]:
        if self.name is None:
            yield
        else:
            async with known(jobs_of(self.request).redis, self.name, job_id):
                yield


def _accepted(job_id: str) -> Text:
    return Text(
        f"The job {job_id} was accepted. Call queue_status with this job_id for its state and result."
    )
