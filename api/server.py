"""How the application is served: its sockets, and uvicorn's settings."""

import contextlib
import socket

import uvicorn
from fastapi import FastAPI

from api.protocol import Protocol

#: Seconds that running requests have to end after a stop; honcho kills after five.
_GRACE = 3
#: Longer than any client keeps an idle connection, so that none is closed under a new request.
_KEEP_ALIVE = 75
_BACKLOG = 2048


def listen(host: str, port: int) -> list[socket.socket]:
    """A listening socket for every address of `host`; port 0 takes a free one. Raises OSError."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with contextlib.ExitStack() as opened:
        sockets = []
        for family, kind, _, _, address in addresses if port else addresses[:1]:
            listener = opened.enter_context(socket.socket(family, kind))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
            sockets.append(listener)
        opened.pop_all()
        return sockets


def server(app: FastAPI) -> uvicorn.Server:
    """Run it with `run(sockets=listen(…))`."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=Protocol,
            ws="websockets-sansio",
            ws_max_size=app.state.settings.max_body_bytes,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE,
        )
    )
