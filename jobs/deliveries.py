"""Writes down which answers have been delivered, behind the answers: no client waits for it.

Those of a moment are written together. A request waits until what became of an identical one is written, the delivery
or that its client has left: else it would be given an answer that its client has, or not find its job.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

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

    @asynccontextmanager
    async def writing(self, fingerprint: str) -> AsyncIterator[None]:
        """While it is written that the client of a request has left."""
        self._unwritten[fingerprint] += 1
        try:
            yield
        finally:
            await self._settle(Counter([fingerprint]))

    async def written(self, fingerprint: str) -> None:
        """Wait until what became of identical requests is written, or Redis is away."""
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
            await self._settle(Counter(fingerprint for _, fingerprint, _ in noted))
        self._writing = None

    async def _settle(self, written: Counter[str]) -> None:
        self._unwritten -= written
        async with self._changed:
            self._changed.notify_all()
