"""A chat as a stream of chunks: from a job's events to OpenAI's frames."""

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.types import Receive

from api.context import context_of, jobs_of
from api.schemas.completion import ChunkFrames, Transcript
from api.streaming import DONE, HEARTBEAT, PATIENCE, Heart, Write
from api.waiting import call, next_event, result_of
from jobs.bus import Watch
from jobs.errors import MlxqError, WorkerDied
from jobs.request import JobRequest
from jobs.status import Event, EventType


@dataclass(frozen=True, slots=True)
class ChatStream:
    """Runs a chat job for one client and writes what it says as it comes."""

    request: Request
    job: JobRequest
    include_usage: bool

    async def __call__(self, receive: Receive, write: Write) -> None:
        async with call(context_of(self.request), jobs_of(self.request), self.job, receive) as (
            accepted,
            watch,
        ):
            self.request.state.request_id = accepted.job_id
            frames = ChunkFrames(accepted.job_id, accepted.meta, include_usage=self.include_usage)
            await _Pump(watch, frames, write, self.include_usage).run()


class _Pump:
    """The state of one stream: what has been heard, and what waits to be written."""

    def __init__(self, watch: Watch, frames: ChunkFrames, write: Write, include_usage: bool) -> None:
        self._watch, self._frames, self._write = watch, frames, write
        self._include_usage = include_usage
        self._heart, self._transcript = Heart(watch), Transcript()
        self._clock = asyncio.get_running_loop().time
        self._begun = False
        self._due = self._clock() + PATIENCE

    async def run(self) -> None:
        pending: list[bytes] = []
        ended = False
        while not ended:
            event = self._watch.pending()
            if event is None:
                # All that has come goes out in one write; then there is time to wait.
                await self._flush(pending)
                pending = []
                event = await next_event(self._watch, max(0.0, self._due - self._clock()))
                if event is None:
                    continue
            self._heart.hear(event)
            try:
                pending += self._frames_of(event)
            except MlxqError:
                if self._begun or pending:
                    await self._flush(pending)
                raise
            ended = event.terminal
        await self._flush(pending)

    async def _flush(self, pending: list[bytes]) -> None:
        """Write what is there; a sign of life when nothing is and one is due."""
        if not pending:
            if self._clock() < self._due:
                return
            pending = [self._heart.beat()]
        if not self._begun:
            pending = [self._frames.role(), *pending]
        await self._write(b"".join(pending))
        self._begun = True
        self._due = self._clock() + HEARTBEAT

    def _frames_of(self, event: Event) -> list[bytes]:
        match event.type:
            case EventType.DELTA:
                text = self._transcript.add(event.data["text"])
            case EventType.RESET:
                self._transcript.reset()
                return []
            case _ if event.terminal:
                return self._end(result_of(event))
            case _:
                return []
        if text is None:
            raise _contradiction()
        return [self._frames.text(text)] if text else []

    def _end(self, result: dict[str, Any]) -> list[bytes]:
        choice = result["choices"][0]
        rest = self._transcript.rest(choice["text"])
        if rest is None:
            raise _contradiction()
        frames = [self._frames.text(rest)] if rest else []
        frames.append(self._frames.finish(choice["finish_reason"]))
        if self._include_usage:
            frames.append(self._frames.usage(result["usage"]))
        return [*frames, DONE]


def _contradiction() -> WorkerDied:
    return WorkerDied("The worker died while it answered, and its new answer differs from what was streamed.")
