"""Sound as a stream: from a job's events to the bytes of its file, plain or in OpenAI's frames."""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.dispatch.call import call, next_event, result_of
from api.http.context import Context, context_of, jobs_of
from api.http.errors import to_error
from api.http.sse import HEARTBEAT, PATIENCE, Heartbeat, Stream, Write, data_frame
from api.openai.speech.schema import usage
from jobs.bus import Watch
from jobs.events import AudioChunk, Event, Reset
from jobs.request import JobRequest

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sound:
    """The bytes of a job's file, in order, each of them once: also when the job is run again, or half of it is over.

    A job that is run again makes the same bytes: its seed is the same, and its encoder leaves nothing to chance.
    """

    context: Context
    result: dict[str, Any] | None = None
    _given: int = 0
    _seen: int = 0

    async def hear(self, event: Event) -> bytes:
        """What is new by this event. With the last one `result` is there; raises the job's error."""
        if isinstance(event, AudioChunk):
            data = event.audio
            new = data[max(0, self._given - self._seen) :]
            self._seen += len(data)
            self._given = max(self._given, self._seen)
            return new
        if isinstance(event, Reset):
            self._seen = 0
        elif event.terminal:
            self.result = result_of(event)
            file = await asyncio.to_thread(self.context.blobs.read, self.result["audio"])
            return file[self._given :]
        return b""


async def pieces(context: Context, watch: Watch) -> AsyncIterator[bytes]:
    """All bytes of a job's file as they come."""
    sound = Sound(context)
    while sound.result is None:
        entry = await next_event(watch, None)
        if entry is not None and (data := await sound.hear(entry.event)):
            yield data


@dataclass(frozen=True, slots=True)
class PlainSpeech:
    """The file itself."""

    request: Request
    job: JobRequest

    async def __call__(self, receive: Receive, write: Write) -> None:
        context = context_of(self.request)
        async with call(jobs_of(self.request), self.job, receive) as (accepted, watch):
            self.request.state.request_id = accepted.job_id
            async for data in pieces(context, watch):
                await write(data)


@dataclass(frozen=True, slots=True)
class FramedSpeech:
    """`speech.audio.delta` and `speech.audio.done`, with heartbeats before the first of them."""

    request: Request
    job: JobRequest

    async def __call__(self, receive: Receive, write: Write) -> None:
        context = context_of(self.request)
        clock = asyncio.get_running_loop().time
        async with call(jobs_of(self.request), self.job, receive) as (accepted, watch):
            self.request.state.request_id = accepted.job_id
            heart, sound = Heartbeat(watch), Sound(context)
            due = clock() + PATIENCE
            while sound.result is None:
                entry = await next_event(watch, max(0.0, due - clock()))
                if entry is None:
                    await write(heart.beat())
                    due = clock() + HEARTBEAT
                    continue
                heart.hear(entry.event)
                if data := await sound.hear(entry.event):
                    audio = base64.b64encode(data).decode()
                    await write(data_frame({"type": "speech.audio.delta", "audio": audio}))
                    due = clock() + HEARTBEAT
            counts = usage(sound.result["usage"])
            await write(data_frame({"type": "speech.audio.done", "usage": counts}))


class ByteStream(Response):
    """A response of bytes as a Stream writes them. One that fails after it has begun breaks off."""

    def __init__(self, stream: Stream, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers={"content-type": content_type, **(headers or {})})
        del self.headers["content-length"]
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def write(chunk: bytes, headers: Mapping[str, str] | None = None) -> None:
            nonlocal started
            if not started:
                started = True
                self.headers.update(headers or {})
                await send(
                    {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                )
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        try:
            await self._stream(receive, write)
        except Exception as error:
            if not started:
                raise
            # The server closes a connection whose response is not whole: its client knows then.
            log.info("a stream of sound broke off: %s", to_error(error).message)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})
