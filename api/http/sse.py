"""Server-sent events: the response, its frames and its heartbeats. It does not know what is streamed.

A stream begins late on purpose: an error that comes within `PATIENCE` is still a proper HTTP error.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http.errors import error_body, stopping, to_error
from jobs.bus import Watch
from jobs.errors import MlxqError
from jobs.events import AudioChunk, Delta, Downloaded, Downloading, Event, Loaded, Loading, Requeued, Started

#: Seconds that the first byte may wait for an early error.
PATIENCE = 0.08
#: Longest silence in seconds; proxies and clients give up after less than a minute, ours promise five.
HEARTBEAT = 4.0

DONE = b"data: [DONE]\n\n"

_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


def data_frame(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def comment(text: str) -> bytes:
    """A line that clients ignore, for the eyes and for timeouts."""
    return f": {text}\n\n".encode()


def error_frame(error: MlxqError) -> bytes:
    """How a stream that has begun fails: the SDKs raise APIError for it."""
    return data_frame(error_body(error))


class Heartbeat:
    """Says what a job is doing, from its events and its place in the queue."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._state = "queued"

    def hear(self, event: Event) -> None:
        match event:
            case Delta() | AudioChunk() | Started() | Loaded():
                self._state = "generating"
            case Loading():
                self._state = "loading model"
            case Downloading(done=done, total=total):
                self._state = _downloading(done, total)
            case Requeued() | Downloaded():
                self._state = "queued"
            case _:
                pass

    @property
    def waiting(self) -> bool:
        return self._state != "generating"

    def beat(self) -> bytes:
        position = self._watch.position
        if self._state == "queued" and position is not None:
            return comment(f"queued position={position}")
        return comment(self._state)


def _downloading(done: int, total: int) -> str:
    """The model is being fetched: how much of it is here."""
    return f"downloading {100 * done // total if total else 100}%"


class Stream(Protocol):
    """Writes itself with `write`; what it raises before the first write becomes an HTTP error."""

    async def __call__(self, receive: Receive, write: "Write") -> None: ...


class Write(Protocol):
    """Sends bytes; the first call begins the response with these headers."""

    async def __call__(self, chunk: bytes, headers: Mapping[str, str] | None = None) -> None: ...


class EventStream(Response):
    """The response that a `Stream` writes."""

    def __init__(self, stream: Stream, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers={**_HEADERS, **(headers or {})})
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
        except asyncio.CancelledError:
            if not started:
                raise
            await write(error_frame(stopping()))
        except Exception as error:
            if not started:
                raise
            await write(error_frame(to_error(error)))
        await send({"type": "http.response.body", "body": b"", "more_body": False})
