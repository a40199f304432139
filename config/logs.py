"""One log line per event on stderr, for every process of mlxq.

It knows how a line looks and which libraries are too talkative; it does not know what is logged. Bodies, keys
and addresses with passwords never are: callers pass ids and `Settings.redis_label`.
"""

import logging
import sys
import traceback
from types import TracebackType

#: Libraries that report at INFO what is only of interest when something of theirs is being debugged.
QUIET = ("asyncio", "httpcore", "httpx", "huggingface_hub", "multipart", "rq", "uvicorn.access", "urllib3")

#: The innermost frames of a traceback tell the story.
_FRAMES = 20


class _OneLine(logging.Formatter):
    """A traceback is folded into its line: one event is one line for grep and for honcho's prefix."""

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        return "".join(traceback.format_exception(*ei, limit=-_FRAMES))

    def format(self, record: logging.LogRecord) -> str:
        return " | ".join(part.rstrip() for part in super().format(record).splitlines() if part.strip())


def configure_logging(level: str, process_name: str) -> None:
    """Send the log of this process (`api`, `worker`, `redis`) to stderr; `level` is a name such as `info`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(f"%(asctime)s %(levelname)s {process_name} %(name)s: %(message)s"))
    logging.captureWarnings(True)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.WARNING)
