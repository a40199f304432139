"""uvicorn's WebSocket protocol with a limit of connections and of the frames of a message."""

import asyncio

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame

from api.http.server.connections import Admission
from api.http.server.http_protocol import ServerConfig

#: Frames that a message may come in. The bytes of all of them are bounded by `ws_max_size`.
_MOST_FRAMES = 1024
#: Seconds for a client to read why it is closed.
_LINGER = 1.0


class SocketProtocol(WebSocketsSansIOProtocol):
    """One connection after its upgrade. The application bounds its idle time."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(config, ServerConfig)
        self._doors = config.doors
        self._stuck: float | None = None
        self._failed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._doors.add(self, self.client[0] if self.client else None) is not Admission.OPEN:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._doors.remove(self)
        super().connection_lost(exc)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= _MOST_FRAMES:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many frames")
            self.handle_parser_exception()
        else:
            super().handle_cont(event)

    def data_received(self, data: bytes) -> None:
        if not self._failed:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Tell why, then read on for a moment: unread bytes would make a reset of the close."""
        assert self.conn.close_sent is not None
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self._failed = self.close_sent = self.disconnected = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_LINGER, self.transport.close)

    def waits_since(self) -> float | None:
        return None

    def check(self, now: float) -> None:
        """A client that reads nothing is closed; uvicorn's pings find one that is gone."""
        if self.writable.is_set():
            self._stuck = None
        elif self._stuck is None:
            self._stuck = now
        elif now > self._stuck + self._doors.limits.send:
            self.transport.abort()

    def drop(self) -> None:
        self.transport.abort()
