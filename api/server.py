"""How the application is served: its sockets, its bounds, and uvicorn's settings."""

import contextlib
import errno
import functools
import logging
import math
import socket
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from api.http.callers.caller import is_loopback, is_within
from api.http.server.connections import Connections, Limits
from api.http.server.http_protocol import Protocol, ServerConfig
from api.http.server.socket_protocol import SocketProtocol
from api.native.events.feed import Feed
from config.settings import Settings

log = logging.getLogger(__name__)

#: Names of this machine for itself.
_BOTH_LOOPBACKS = ("127.0.0.1", "localhost")
#: Seconds that running requests have to end after a stop; honcho kills after five.
_GRACE = 3
_BACKLOG = 2048
#: Seconds of silence after which the kernel asks whether the other machine is still there.
_ALIVE = 60
#: Bytes of a WebSocket's message: JSON may need twelve for a character, and has other fields.
_PER_CHARACTER, _OTHER_FIELDS = 12, 64 * 1024


def listen(host: str, port: int) -> list[socket.socket]:
    """A listening socket for every address of `host`; port 0 takes a free one. Raises OSError.

    `127.0.0.1` and `localhost` mean both loopback addresses: clients resolve `localhost` to either.
    """
    if host in _BOTH_LOOPBACKS:
        return _listen_here(port)
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with contextlib.ExitStack() as opened:
        sockets = []
        for family, _, _, _, address in addresses if port else addresses[:1]:
            sockets.append(opened.enter_context(_listener(family, address)))
        opened.pop_all()
        return sockets


def _listen_here(port: int) -> list[socket.socket]:
    """On 127.0.0.1, and on ::1 where the machine has it."""
    first = _listener(socket.AF_INET, ("127.0.0.1", port))
    port = first.getsockname()[1]
    try:
        return [first, _listener(socket.AF_INET6, ("::1", port))]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            log.warning(
                "another program listens on [::1]:%d: clients that resolve localhost so meet it", port
            )
        return [first]


def _listener(family: socket.AddressFamily, address: Any) -> socket.socket:
    """What is set here, accepted connections inherit."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # Linux and macOS have different names for it.
        idle = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)
        if idle is not None:
            listener.setsockopt(socket.IPPROTO_TCP, idle, _ALIVE)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _is_unbounded(settings: Settings, address: str) -> bool:
    """This machine, and a proxy that asks for many, may have as many connections as there are."""
    return is_loopback(address) or is_within(address, settings.trusted_proxies)


def end_streams(app: FastAPI) -> None:
    """End the streams that have no end of their own: the server stops."""
    app.state.stopping.set()
    feed: Feed | None = app.state.feed
    if feed is not None:
        feed.stop()


class _Server(uvicorn.Server):
    """Ctrl-C comes from the terminal and again from the supervisor: the second time it is no order to break off."""

    def __init__(self, config: ServerConfig, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end_streams(self._app)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            super().handle_exit(sig, frame)


def server(app: FastAPI) -> uvicorn.Server:
    """Run it with `run(sockets=listen(…))`."""
    settings: Settings = app.state.settings
    limits = Limits.of(settings)
    return _Server(
        ServerConfig(
            app,
            Connections(limits, unbounded=functools.partial(_is_unbounded, settings)),
            app.state.addresses,
            loop="uvloop",
            http=Protocol,
            ws=SocketProtocol,
            ws_max_size=min(
                settings.max_body_bytes, _OTHER_FIELDS + _PER_CHARACTER * settings.max_speech_characters
            ),
            # A few bytes could become any number of messages before the first of them is looked at.
            ws_per_message_deflate=False,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=math.ceil(limits.idle),
            timeout_graceful_shutdown=_GRACE,
        ),
        app,
    )
