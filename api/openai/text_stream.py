"""Text as a stream of chunks: from a job's events to OpenAI's frames, for chats and for completions."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.types import Receive

from api.dispatch.call import call, next_event, result_of
from api.dispatch.sent_answer import AnswerPiece, SentAnswer
from api.http.context import jobs_of
from api.http.sse import DONE, HEARTBEAT, PATIENCE, Heartbeat, Write
from jobs.bus import Watch
from jobs.errors import MlxqError
from jobs.events import Delta, Event, Reset
from jobs.request import JobRequest


class Frames(Protocol):
    """The chunks of one stream, written out."""

    def begin(self) -> list[bytes]:
        """What comes before all else."""

    def piece(self, piece: AnswerPiece) -> bytes:
        """Something new of a choice."""

    def finish(self, index: int, reason: str) -> bytes:
        """The end of a choice."""

    def usage(self, counts: dict[str, Any]) -> bytes:
        """The tokens that all of it took."""


class MakeFrames(Protocol):
    def __call__(self, job_id: str, meta: dict[str, Any], *, include_usage: bool, choices: int) -> Frames: ...


@dataclass(frozen=True, slots=True)
class TextStream:
    """Runs a job for one client and writes what it says as it comes."""

    request: Request
    job: JobRequest
    frames: MakeFrames
    include_usage: bool
    choices: int = 1

    async def __call__(self, receive: Receive, write: Write) -> None:
        async with call(jobs_of(self.request), self.job, receive) as (
            accepted,
            watch,
        ):
            self.request.state.request_id = accepted.job_id
            frames = self.frames(
                accepted.job_id, accepted.meta, include_usage=self.include_usage, choices=self.choices
            )
            await _Pump(watch, frames, write, self.include_usage).run()


class _Pump:
    """The state of one stream: what has been heard, and what waits to be written."""

    def __init__(self, watch: Watch, frames: Frames, write: Write, include_usage: bool) -> None:
        self._watch, self._frames, self._write = watch, frames, write
        self._include_usage = include_usage
        self._heart, self._sent = Heartbeat(watch), SentAnswer()
        self._clock = asyncio.get_running_loop().time
        self._begun = False
        self._due = self._clock() + PATIENCE

    async def run(self) -> None:
        pending: list[bytes] = []
        ended = False
        while not ended:
            entry = self._watch.pending()
            if entry is None:
                # All that has come goes out in one write; then there is time to wait.
                await self._flush(pending)
                pending = []
                entry = await next_event(self._watch, max(0.0, self._due - self._clock()))
                if entry is None:
                    continue
            self._heart.hear(entry.event)
            try:
                pending += self._frames_of(entry.event)
            except MlxqError:
                if self._begun or pending:
                    await self._flush(pending)
                raise
            ended = entry.terminal
        await self._flush(pending)

    async def _flush(self, pending: list[bytes]) -> None:
        """Write what is there; a sign of life when nothing is and one is due."""
        if not pending:
            if self._clock() < self._due:
                return
            pending = [self._heart.beat()]
        if not self._begun:
            pending = [*self._frames.begin(), *pending]
        await self._write(b"".join(pending))
        self._begun = True
        self._due = self._clock() + HEARTBEAT

    def _frames_of(self, event: Event) -> list[bytes]:
        match event:
            case Delta():
                piece = self._sent.add(event)
                return [] if piece is None else [self._frames.piece(piece)]
            case Reset():
                self._sent.reset()
            case _ if event.terminal:
                return self._end(result_of(event))
            case _:
                pass
        return []

    def _end(self, result: dict[str, Any]) -> list[bytes]:
        frames = []
        for choice in result.get("choices") or [_only(result)]:
            frames += [self._frames.piece(piece) for piece in self._sent.rest(choice)]
            frames.append(self._frames.finish(choice["index"], choice["finish_reason"]))
        if self._include_usage:
            frames.append(self._frames.usage(result["usage"]))
        return [*frames, DONE]


def _only(result: dict[str, Any]) -> dict[str, Any]:
    """A recording's one text as a choice."""
    return {"index": 0, "text": result["text"], "finish_reason": "stop"}
