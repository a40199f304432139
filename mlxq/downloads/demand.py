"""Asks the supervisor for the process that fetches models. It knows when it is needed, not how it is started.

The worker looks at each beat, so that neither a message nor a crash of either process can leave a download waiting: a
process that runs already takes no notice.
"""

import contextlib
import os

import redis

from config import early
from jobs import keys
from jobs.kinds import DOWNLOADS
from jobs.service_class import CLASSES


def ask() -> None:
    """Ask now. Where nobody would start it, as for a worker alone, this does nothing."""
    descriptor = early.downloads_fd()
    if descriptor is not None:
        # A full pipe asks already; a closed one has lost its supervisor.
        with contextlib.suppress(OSError):
            os.write(descriptor, b"d")


def look(connection: redis.Redis) -> None:
    """Ask if there is something to fetch. Raises RedisError."""
    if early.downloads_fd() is not None and exists(connection):
        ask()


def exists(connection: redis.Redis) -> bool:
    """Whether a download waits, runs, or was left unfinished. Raises RedisError."""
    with connection.pipeline(transaction=False) as pipe:
        pipe.llen(keys.queue(DOWNLOADS))
        for each in CLASSES:
            pipe.zcard(keys.waiting(DOWNLOADS, each))
        pipe.llen(keys.intermediate(DOWNLOADS))
        pipe.zcard(keys.started(DOWNLOADS))
        return any(pipe.execute())
