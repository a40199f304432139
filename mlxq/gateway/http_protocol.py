"""uvicorn's HTTP/1.1 protocol for clients that anybody in the network may be: who does not ask in time is cut off."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Seconds for the head of a request.
PATIENCE = 10.0


class Protocol(HttpToolsProtocol):
    """One connection. Between two requests uvicorn's own limit holds."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        if self._late is None:
            self._expect()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._came()
        super().on_headers_complete()

    def _expect(self) -> None:
        self._late = self.loop.call_later(PATIENCE, self.transport.close)

    def _came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
