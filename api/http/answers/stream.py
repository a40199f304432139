"""A streamed response: when it begins, how it ends, how it fails.

It begins late on purpose: an error before the first piece is still a proper HTTP error. It does not know what is
streamed, nor how.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http.answers.errors import stopping, to_error
from jobs.errors import MlxqError

log = logging.getLogger(__name__)


class Write(Protocol):
    """Sends bytes; the first call begins the response."""

    async def __call__(self, chunk: bytes) -> None: ...


class Stream(Protocol):
    """Writes itself with `write`; what it raises before the first write becomes an HTTP error."""

    async def __call__(self, receive: Receive, write: Write) -> None: ...

    def failed(self, error: MlxqError) -> bytes | None:
        """How it ends when it has begun and fails. None: the connection breaks off, which the client notices."""


class StreamResponse(Response):
    """The response that a `Stream` writes."""

    def __init__(
        self, stream: Stream, headers: Mapping[str, str], background: BackgroundTask | None = None
    ) -> None:
        super().__init__(headers=headers, background=background)
        del self.headers["content-length"]
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def write(chunk: bytes) -> None:
            nonlocal started
            if not started:
                started = True
                await send(
                    {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                )
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        try:
            await self._stream(receive, write)
        except (asyncio.CancelledError, Exception) as failure:
            if not started:
                raise
            error = to_error(failure) if isinstance(failure, Exception) else stopping()
            last = self._stream.failed(error)
            if last is None:
                if not isinstance(failure, Exception):
                    raise
                # The server closes a connection whose response is not whole: its client knows then.
                log.info("a stream broke off: %s", error.message)
                return
            await write(last)
        if not started:
            await write(b"")
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        if self.background is not None:
            await self.background()
