"""`python -m api`: serve on HOST and PORT until SIGINT or SIGTERM."""

import logging
import resource
import signal
import sys

from api.app import create_app
from api.server import listen, server
from config.logs import configure_logging
from config.settings import Settings, load_settings
from jobs.supervisor import WRONG_SETTING, say, stop_with_parent

log = logging.getLogger("api")

_OPEN_FILES = 10_240


def allow_many_connections() -> None:
    """Raise the soft limit of open files, which is 256 on a Mac: every waiting client is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(settings: Settings) -> int:
    """The status to exit with."""
    try:
        sockets = listen(settings.host, settings.port)
    except OSError as error:
        say(f"HOST={settings.host} PORT={settings.port}: cannot listen there ({error.strerror or error})")
        return WRONG_SETTING
    # Uvicorn raises its signal again when it has stopped: by then it has been obeyed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    stop_with_parent()
    allow_many_connections()
    host, port = sockets[0].getsockname()[:2]
    log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    server(create_app(settings)).run(sockets=sockets)
    return 0


def main() -> int:
    settings = load_settings()
    configure_logging(settings.log_level, "api")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
