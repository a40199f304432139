"""uvicorn's HTTP/1.1 protocol with bounds on heads and waiting, half-closed clients, and error objects.

It is below the application: what is refused here never becomes a request.
"""

import asyncio
import logging
from enum import Enum
from typing import Any

import httptools
import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from api.http.answers.errors import written
from api.http.middleware.security import OPEN_PATHS
from api.http.routes.addresses import Addresses
from api.http.server.arrival import tell_arrival
from api.http.server.connections import SLOWEST_BODY, Admission, Connections
from api.http.server.half_closed import drop_if_nobody_reads
from jobs.errors import InvalidRequest, MlxqError, ServiceUnavailable

log = logging.getLogger(__name__)

#: Bytes that a request line and its headers may have together.
_LONGEST_HEAD = 64 * 1024


class ServerConfig(Config):
    """Uvicorn's, with what all connections of a server share."""

    def __init__(self, app: ASGIApp, connections: Connections, addresses: Addresses, **options: Any) -> None:
        super().__init__(app, **options)
        self.doors = connections
        self.addresses = addresses


class _Phase(Enum):
    """The part of a request that the client is sending."""

    BETWEEN = 0
    HEAD = 1
    BODY = 2


class Protocol(HttpToolsProtocol):
    """One connection."""

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
        self._addresses = config.addresses
        self._admission = Admission.OPEN
        self._phase = _Phase.BETWEEN
        #: the request that is answered now, and what came behind the head of the one after it
        self._answered: RequestResponseCycle | None = None
        self._later = b""
        #: the head of a request for an unsupported protocol, without that request
        self._again: bytes | None = None
        #: bytes of this head or body, and when it began
        self._size = 0
        self._began = 0.0
        #: when data was last received, and when the connection was last checked
        self._heard = self._checked = 0.0
        #: unsent bytes, and since when none was sent
        self._unsent, self._stuck = 0, 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._began = self._heard = self._checked = self.loop.time()
        self._admission = self._doors.add(self, self.client[0] if self.client else None)
        if self._admission is Admission.SHUT:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._doors.remove(self)
        super().connection_lost(exc)
        # uvicorn tells only the last request, which may wait for this one.
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's gives None
        """A client that has sent its request may close its side, and still gets the answer."""
        if self.cycle is None or self.cycle.response_complete or (self.cycle.more_body and not self.pipeline):
            return False
        self.cycle.keep_alive = False
        drop_if_nobody_reads(self.transport)
        return True

    def on_message_begin(self) -> None:
        self._phase, self._size, self._began = _Phase.HEAD, 0, self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.scope["method"] = self.parser.get_method().decode("ascii")
        if self.scope["method"] == "CONNECT":
            # The parser would treat the following data as a tunnel's content.
            self._again = b""
            self.send_400_response("CONNECT is for proxies, and this is none.")
            return
        if self.parser.should_upgrade() and not self._should_upgrade():
            self._again = self._head_without_upgrade()
            return
        self._phase, self._size, self._began = _Phase.BODY, 0, self.loop.time()
        super().on_headers_complete()
        if self.pipeline:
            # uvicorn stops to read, and would not notice that the client leaves.
            self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._again is None:
            self._phase = _Phase.BETWEEN
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._heard = self.loop.time()
        if self.pipeline:
            self._later += data
            if len(self._later) > _LONGEST_HEAD:
                self.flow.pause_reading()
            return
        # What came with the first line may belong to the request before: it is not counted.
        counts = self._phase is _Phase.HEAD
        self._unset_keepalive_if_required()
        self._parse(data)
        if counts and self._phase is _Phase.HEAD and not self.transport.is_closing():
            self._size += len(data)
            if self._size > _LONGEST_HEAD:
                self.send_400_response("The request's headers are too long.")

    def _parse(self, data: bytes) -> None:
        """The parser stops where another protocol may begin; a request that stays HTTP is then read without that."""
        while data and not self.transport.is_closing():
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as stop:
                if self._again is None:
                    self.handle_websocket_upgrade()
                    return
                data, self._again = self._again + data[stop.args[0] :], None
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return

    def _head_without_upgrade(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                value = b",".join(each for each in value.split(b",") if each.strip().lower() != b"upgrade")
            if name != b"upgrade":
                lines.append(name + b": " + value)
        return b"\r\n".join((*lines, b"", b""))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]
        if self._admission is not Admission.OPEN and cycle.scope["path"] not in OPEN_PATHS:
            cycle.keep_alive = False
            dialect = self._addresses.dialect(
                self._addresses.plain(cycle.scope["path"]), cycle.scope["method"]
            )
            app = written(ServiceUnavailable("Too many connections are open.", retry_after=2), dialect)
        if cycle.scope["http_version"] == "1.0":
            cycle.waiting_for_100_continue = False
            app = _Unchunked(app, cycle)
        # A connection that is not kept is closed behind the answer.
        tell_arrival(
            cycle.scope,  # type: ignore[arg-type]  # a type of uvicorn's
            lambda: cycle.response_complete and not (cycle.keep_alive and self.transport.is_closing()),
        )
        self._answered = cycle
        super()._start_asgi_task(cycle, app)  # type: ignore[arg-type]  # a type of uvicorn's
        if self._later and not self.pipeline:
            later, self._later = self._later, b""
            self.data_received(later)

    def _should_upgrade(self) -> bool:
        """Only to a WebSocket, where there is one: other requests are answered as if they had not asked."""
        return (
            self._admission is Admission.OPEN
            and self.scope.get("method") == "GET"
            # Before it there may be the sub-path of a proxy.
            and self._addresses.plain(self.url.partition(b"?")[0].decode("latin-1")).endswith(
                self._addresses.sockets
            )
            and super()._should_upgrade()
        )

    def handle_websocket_upgrade(self) -> None:
        # The WebSocket's own protocol takes this one's place.
        self._doors.remove(self)
        super().handle_websocket_upgrade()

    def waits_since(self) -> float | None:
        return None if self._owes_an_answer() else self._heard

    def drop(self) -> None:
        self.transport.abort()

    def check(self, now: float) -> None:
        limits = self._doors.limits
        elapsed, self._checked = now - self._checked, now
        if self._is_stuck(now):
            self.transport.abort()
        elif self._phase is _Phase.BODY:
            if self.pipeline or self.flow.read_paused or self.cycle.waiting_for_100_continue:
                # The client is waiting for the server: this time does not count.
                self._began += elapsed
                self._heard = now
            elif now > min(self._heard, self._began + self._size / SLOWEST_BODY) + limits.body:
                self._give_up("body")
        elif self._owes_an_answer():
            pass
        elif self._phase is _Phase.HEAD:
            if now > self._began + limits.head:
                self._give_up("head")
        elif now > self._heard + (limits.head if self.cycle is None else limits.idle):
            self.transport.close()

    def _owes_an_answer(self) -> bool:
        return (
            self.cycle is not None
            and not self.cycle.response_complete
            and not (self._phase is _Phase.BODY and self.cycle.more_body)
        )

    def _is_stuck(self, now: float) -> bool:
        """Whether the client has not read its answer for too long."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent:
            self._unsent, self._stuck = unsent, now
        return now > self._stuck + self._doors.limits.send

    def _give_up(self, part: str) -> None:
        """Close without an answer, as other servers do: a client that is still sending would rarely read it."""
        log.info("a connection was closed: the %s of its request took too long", part)
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._refuse(InvalidRequest(msg))

    def _refuse(self, error: MlxqError) -> None:
        body = orjson.dumps(self._addresses.default.error_body(error, ""))
        head = (
            b"content-type: application/json\r\nx-content-type-options: nosniff\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(b"".join((STATUS_LINE[error.status], head % len(body), body)))
        self.transport.close()


class _Unchunked:
    """Answers HTTP/1.0, which knows no chunks: a body without a length ends with its connection.

    The cycle counts what it has promised to send; here it promises each piece as it comes.
    """

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app, self._cycle = app, cycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle, endless = self._cycle, False

        async def plainly(message: Message) -> None:
            nonlocal endless
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message.get("headers", ())}
                if not names & {b"content-length", b"transfer-encoding"}:
                    endless, cycle.chunked_encoding = True, False
            elif endless and scope["method"] != "HEAD":
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, plainly)
