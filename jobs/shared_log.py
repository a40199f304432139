"""The last lines of the logs of all processes, in a stream of Redis that is cut to `MOST` lines.

A process collects its lines and writes them twice a second on a thread of its own: who logs does not wait for Redis.
While Redis is away the last ones are kept. Secrets of the settings are replaced, should a line ever have one.
"""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast, get_args

import redis.asyncio
from redis.exceptions import RedisError

from config.logs import listen_to_lines
from config.settings import Settings
from jobs import keys
from jobs.redis.connection import connection
from jobs.redis.errors import told

#: Lines of all processes that are kept, of one that are collected, and characters of a line.
MOST, _COLLECTED, _LONGEST = 2000, 500, 4000
#: Seconds between two writes, and after one that failed.
_PAUSE, _PATIENCE = 0.5, 3.0

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LEVELS: tuple[Level, ...] = get_args(Level)


class LogLine(NamedTuple):
    """A line as it was written, and its place in the stream. `time` is in Unix seconds."""

    id: str
    time: float
    level: Level
    process: str
    text: str


class SharedLog:
    """Of this process: `start` it once its log is configured."""

    def __init__(self, settings: Settings, process: str) -> None:
        self._address, self._process = settings.redis_address, process
        self._secrets = _secrets(settings)
        self._lines: deque[dict[str, str | float]] = deque(maxlen=_COLLECTED)
        self._news = threading.Event()

    def start(self) -> None:
        listen_to_lines(self._hear)
        threading.Thread(target=self._write, name="shared-log", daemon=True).start()

    def _hear(self, record: logging.LogRecord, line: str) -> None:
        # Names of files may have what is no character.
        text = line[:_LONGEST].encode(errors="replace").decode()
        for secret in self._secrets:
            text = text.replace(secret, "***")
        self._lines.append(
            {"t": round(record.created, 3), "l": record.levelname, "p": self._process, "m": text}
        )
        self._news.set()

    def _write(self) -> None:
        pause, waiting = threading.Event(), list[dict[str, str | float]]()
        with contextlib.closing(connection(self._address)) as client:
            while True:
                if not waiting:
                    self._news.wait()
                self._news.clear()
                pause.wait(_PAUSE)
                while self._lines:
                    waiting.append(self._lines.popleft())
                del waiting[:-_COLLECTED]
                try:
                    with client.pipeline(transaction=False) as pipe:
                        for line in waiting:
                            pipe.xadd(keys.LOGS, cast(Any, line), maxlen=MOST, approximate=False)
                        pipe.execute()
                    waiting.clear()
                except (RedisError, OSError):
                    pause.wait(_PATIENCE)


def _secrets(settings: Settings) -> Sequence[str]:
    more = (settings.hf_token, settings.join_key)
    secrets = [*settings.api_keys, *settings.admin_keys, *(secret for secret in more if secret is not None)]
    return [text for secret in secrets if len(text := secret.get_secret_value()) >= 6]


async def last_lines(client: redis.asyncio.Redis, most: int) -> list[LogLine]:
    """The last lines, the newest last. Raises ServiceUnavailable."""
    with told():
        entries: Any = await client.xrevrange(keys.LOGS, "+", "-", count=most)
    return [_line(*entry) for entry in reversed(entries)]


async def lines_after(client: redis.asyncio.Redis, line_id: str, most: int) -> list[LogLine]:
    """The first lines after that one. Raises ServiceUnavailable."""
    with told():
        entries: Any = await client.xrange(keys.LOGS, f"({line_id}", "+", count=most)
    return [_line(*entry) for entry in entries]


def _line(line_id: str, fields: dict[str, str]) -> LogLine:
    return LogLine(line_id, float(fields["t"]), cast(Level, fields["l"]), fields["p"], fields["m"])
