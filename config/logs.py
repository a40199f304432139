"""One log line per event on stderr, for every process of mlxq.

It knows how a line looks and which libraries are too talkative; it does not know what is logged. Bodies, keys
and addresses with passwords never are: callers pass ids and `Settings.redis_label`.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import TextIO

#: Libraries that report at INFO what is only of interest when something of theirs is being debugged.
QUIET = ("asyncio", "multipart", "python_multipart", "rq", "uvicorn.access")
#: Libraries that write whole addresses and headers, with the secrets in them, or messages of clients: not at debug
#: either.
SILENT = ("httpcore", "httpx", "huggingface_hub", "urllib3", "websockets")

#: Ids of the jobs that this thread or task works on now: every line that it logs names them.
CONCERNED: ContextVar[Callable[[], Sequence[str]]] = ContextVar("concerned", default=tuple)
#: So many of them at most.
_NAMED = 4

#: Characters that could end a line or change how a terminal shows it: controls, line ends, changes of direction.
_HARMFUL = (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _HARMFUL}

#: The innermost frames of a traceback tell the story.
_FRAMES = 20


#: Called with each line that is written, and its record.
Listener = Callable[[logging.LogRecord, str], None]
_listeners: list[Listener] = []


def listen_to_lines(listener: Listener) -> None:
    """Have `listener` called for each line of this process' log, on the thread that logs: it must not wait."""
    _listeners.append(listener)


class _Lines(logging.StreamHandler[TextIO]):
    """Lines are made once, for stderr and for the listeners."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for listener in _listeners:
            listener(record, line)
        return line


class _OneLine(logging.Formatter):
    """A traceback is folded into its line: one event is one line for grep and for honcho's prefix."""

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        return "".join(traceback.format_exception(*ei, limit=-_FRAMES))

    def format(self, record: logging.LogRecord) -> str:
        line = " | ".join(part.rstrip() for part in super().format(record).splitlines() if part.strip())
        ids = [each for each in CONCERNED.get()() if each not in line]
        if ids:
            more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
            line = f"{line} [{', '.join(ids[:_NAMED])}{more}]"
        return line.translate(_ESCAPES)


def configure_logging(level: str, process_name: str) -> None:
    """Send the log of this process (`api`, `worker`, `redis`) to stderr; `level` is a name such as `info`."""
    handler = _Lines(sys.stderr)
    handler.setFormatter(_OneLine(f"%(asctime)s %(levelname)s {process_name} %(name)s: %(message)s"))
    logging.captureWarnings(True)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.WARNING)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.WARNING)
