"""uvicorn's HTTP/1.1 protocol for clients that anybody in the network may be.

Who does not ask in time is cut off, and so is an address with so many connections that others would get none.
"""

import asyncio
from collections import Counter
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Seconds for the head of a request.
PATIENCE = 10.0
#: Connections of one address: half of those that the gateway serves.
MOST_OF_ONE = 128


class Protocol(HttpToolsProtocol):
    """One connection. Between two requests uvicorn's own limit holds."""

    #: connections by their addresses
    _open: ClassVar[Counter[str]] = Counter()
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._address = str((transport.get_extra_info("peername") or ("",))[0])
        self._open[self._address] += 1
        self._expect()
        if self._open[self._address] > MOST_OF_ONE:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._came()
        self._open[self._address] -= 1
        if not self._open[self._address]:
            del self._open[self._address]
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
