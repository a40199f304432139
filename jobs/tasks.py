"""Tasks that run beside the requests: how they look for what there is to do, and how they end."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

log = logging.getLogger(__name__)

#: Seconds after which a task that has swallowed its cancellation is cancelled again.
_AGAIN = 0.1


async def end(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks and wait for their end. redis-py loses a cancellation that comes while it connects."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=_AGAIN)
        for task in done:
            if not task.cancelled():
                task.exception()


class Lookout:
    """Calls `look` when it is told to, and when the seconds are over that the last call returned.

    Where Redis is away, or a look fails, the next one comes after `soon` seconds. `what` is looked for, for the log.
    """

    def __init__(self, look: Callable[[], Awaitable[float]], what: str, *, soon: float) -> None:
        self._look, self._what, self._soon = look, what, soon
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """There may be something to do."""
        self._news.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._look_on())

    async def stop(self) -> None:
        if self._task is not None:
            await end(self._task)

    async def _look_on(self) -> None:
        while True:
            self._news.clear()
            pause = self._soon
            try:
                pause = await self._look()
            except (RedisError, OSError):
                pass
            except Exception:  # one that is found must not end the looks for others
                log.exception("a look for %s failed", self._what)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()
