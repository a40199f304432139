"""`python -m api`: serve on HOST and PORT until SIGINT or SIGTERM."""

import logging
import signal
import socket
import sys

import uvicorn

from api.app import create_app
from api.protocol import Protocol
from config.logs import configure_logging
from config.settings import Settings, load_settings
from jobs.supervisor import WRONG_SETTING, say, stop_with_parent

log = logging.getLogger("api")

#: Seconds that running requests have to end after a stop; honcho kills after five.
_GRACE = 3
#: Longer than any client keeps an idle connection, so that none is closed under a new request.
_KEEP_ALIVE = 75
_BACKLOG = 2048


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets for every address of `host`. Raises OSError."""
    sockets: list[socket.socket] = []
    for family, kind, _, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            if not sockets:
                raise
            continue
        listener.listen(_BACKLOG)
        sockets.append(listener)
        if port == 0:
            break
    return sockets


def serve(settings: Settings) -> int:
    """The status to exit with."""
    try:
        sockets = listen(settings.host, settings.port)
    except OSError as error:
        say(f"HOST={settings.host} PORT={settings.port}: cannot listen there ({error.strerror or error})")
        return WRONG_SETTING
    config = uvicorn.Config(
        create_app(settings),
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
    )
    # Uvicorn raises its signal again when it has stopped: by then it has been obeyed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    stop_with_parent()
    host, port = sockets[0].getsockname()[:2]
    log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    uvicorn.Server(config).run(sockets=sockets)
    return 0


def main() -> int:
    settings = load_settings()
    configure_logging(settings.log_level, "api")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
