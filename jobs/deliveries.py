"""Writes down which answers have been delivered, behind the answers: no client waits for it.

Those of a moment are written together. A request waits until the delivery of an identical one is written: else it
would be given the answer that its client has.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from redis.exceptions import RedisError

#: Writes: of each job, whether nobody in this process waits for it any more.
Write = Callable[[Mapping[str, bool]], Awaitable[None]]


class Deliveries:
    """Those of one process, on its event loop."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._noted: list[tuple[str, str, bool]] = []
        #: how many of each fingerprint are not written yet
        self._unwritten: Counter[str] = Counter()
        self._changed = asyncio.Condition()
        self._writing: asyncio.Task[None] | None = None

    def note(self, job_id: str, fingerprint: str, *, last: bool) -> None:
        """A client has the whole answer; `last`: no other one of this process waits for it."""
        self._noted.append((job_id, fingerprint, last))
        self._unwritten[fingerprint] += 1
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())

    async def written(self, fingerprint: str) -> None:
        """Wait until the deliveries to identical requests are written, or Redis is away."""
        if self._unwritten[fingerprint]:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._unwritten[fingerprint])

    async def stop(self) -> None:
        """Write what is left."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write_all(self) -> None:
        while self._noted:
            noted, self._noted = self._noted, []
            # What is lost is found by the next identical request as if its client had left.
            with contextlib.suppress(RedisError, OSError):
                await self._write({job_id: last for job_id, _, last in noted})
            self._unwritten -= Counter(fingerprint for _, fingerprint, _ in noted)
            async with self._changed:
                self._changed.notify_all()
        self._writing = None
