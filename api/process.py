"""The process of the API: it serves on HOST and PORT until SIGINT or SIGTERM."""

import logging
import signal
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from api.app import create_app
from api.http.callers.caller import accepted_keys, address_of
from api.server import listen, server
from config.logs import configure_logging
from config.settings import Settings, load_settings
from jobs import tracing
from jobs.live_settings import at_start
from jobs.shared_log import SharedLog
from mlxq.launch.code_wall import close_to_models
from mlxq.launch.open_files import allow_many_files
from mlxq.launch.process import WRONG_SETTING, say, start_again, stop_with_parent

log = logging.getLogger("api")


def open_sockets(settings: Settings, usual: Settings) -> list[socket.socket]:
    """Listen where the settings say; if that is a stored address that does not work, at the usual one. OSError."""
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        if (settings.host, settings.port) == (usual.host, usual.port):
            raise
        log.error("cannot listen on port %d as was set (%s)", settings.port, error.strerror or error)
        return listen(usual.host, usual.port)


def ollama_sockets(settings: Settings) -> list[socket.socket]:
    """Listen on Ollama's port too, if that is wanted. Where another program has it, the API is served without."""
    if settings.ollama_port in (0, settings.port):
        return []
    try:
        return listen(settings.host, settings.ollama_port)
    except OSError as error:
        log.error(
            "OLLAMA_PORT=%d: cannot listen there (%s): is Ollama running?",
            settings.ollama_port,
            error.strerror or error,
        )
        return []


def _is_news(record: logging.LogRecord) -> bool:
    """Whether uvicorn's record is an error. That a stop ends the requests which still run is none."""
    return not record.msg.startswith("Cancel %s running task")


def _warn(settings: Settings, addresses: Sequence[IPv4Address | IPv6Address | None]) -> None:
    """One line when other machines can reach this server and no key is asked for."""
    if not accepted_keys(settings) and any(each is None or not each.is_loopback for each in addresses):
        log.warning(
            "other machines can reach mlxq at HOST=%s and need no key: all of them may use the installed models. "
            "Set API_KEYS, or HOST=127.0.0.1",
            settings.host,
        )


def serve(settings: Settings, usual: Settings) -> int:
    """The status to exit with. `usual` are the settings of the environment."""
    try:
        sockets = open_sockets(settings, usual)
    except OSError as error:
        say(f"HOST={usual.host} PORT={usual.port}: cannot listen there ({error.strerror or error})")
        return WRONG_SETTING
    # Uvicorn raises its signal again when it has stopped: by then it has been obeyed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    stop_with_parent()
    allow_many_files()
    _warn(settings, [address_of(each.getsockname()[0]) for each in sockets])
    ollama = ollama_sockets(settings)
    for first in (sockets[0], *ollama[:1]):
        host, port = first.getsockname()[:2]
        log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    app = create_app(settings)
    running = server(app)
    again = False

    def halt(restart: bool) -> None:
        nonlocal again
        again = restart
        running.should_exit = True

    app.state.halt = halt
    tracing.start(settings, "api")
    running.run(sockets=[*sockets, *ollama])
    tracing.stop()
    if again:
        start_again()
    return 0


def main() -> int:
    usual = load_settings()
    settings = at_start(usual)
    configure_logging(settings.log_level, "api")
    SharedLog(settings, "api").start()
    close_to_models(settings)
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.setLevel(logging.WARNING)
    uvicorn.addFilter(_is_news)
    return serve(settings, usual)
