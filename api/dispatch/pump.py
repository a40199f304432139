"""Writes the events of a job as a stream: all available frames in one write, and keep-alives in time."""

import asyncio
from collections.abc import Awaitable, Callable

from api.dispatch.call import next_event
from api.dispatch.frames import Frames
from api.dispatch.progress import JobProgress
from api.http.answers.stream import Write
from jobs.bus import Watch
from jobs.errors import MlxqError
from jobs.events import Entry, Event, Requeued, Reset, Started

#: Seconds that the first byte may wait for an early error.
PATIENCE = 0.08
#: The same for a large request, from its start on: reading its prompt tells whether it is too long.
VERDICT = 3.0
#: Bytes of a large request. Smaller ones are read within `PATIENCE`.
_LARGE = 1 << 14
#: Seconds between two writes at most; proxies and clients give up after less than a minute, ours promise five.
HEARTBEAT = 4.0
#: Bytes that are collected at most for one write.
_ENOUGH = 1 << 16

Next = Callable[[Watch, float | None], Awaitable[Entry | None]]


class Pump:
    """One stream. `run` returns after the job's last event; it raises what the frames raise."""

    def __init__(
        self,
        watch: Watch,
        frames: Frames,
        write: Write,
        *,
        patience: float | None = None,
        wait: Next = next_event,
        size: int = 0,
    ) -> None:
        """`patience`: seconds until the first keep-alive. `wait`: the next event; what it raises for a job that has
        vanished, the client gets. `size`: bytes of the request.
        """
        self._watch, self._frames, self._write, self._wait = watch, frames, write, wait
        self._progress = JobProgress(watch)
        self._clock = asyncio.get_running_loop().time
        self._begun = False
        self._due = self._clock() + (PATIENCE if patience is None else patience)
        self._large = size >= _LARGE
        self._pending: list[bytes] = []

    async def run(self) -> None:
        try:
            while not (entry := await self._next()).terminal:
                self._progress.hear(entry.event)
                if self._large and not self._begun:
                    self._judge(entry.event)
                if frame := await self._frames.of(entry):
                    self._pending.append(frame)
            size = 0
            async for frame in self._frames.end(entry):
                self._pending.append(frame)
                size += len(frame)
                if size >= _ENOUGH:
                    size = 0
                    await self._flush()
        except MlxqError:
            if self._begun or self._pending:
                await self._flush()
            raise
        await self._flush()

    def _judge(self, event: Event) -> None:
        """Wait for a large request's verdict from its start on, and no longer when there is one."""
        match event:
            case Started():
                self._due = self._clock() + VERDICT
            case Reset() | Requeued():
                pass
            case _:
                self._due = min(self._due, self._clock())

    async def _next(self) -> Entry:
        while (entry := self._watch.pending()) is None:
            # All that has come goes out in one write; then there is time to wait.
            await self._flush()
            if self._clock() >= self._due:
                await self._send(self._frames.alive(self._progress))
            entry = await self._wait(self._watch, max(0.0, self._due - self._clock()))
            if entry is not None:
                break
        return entry

    async def _flush(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, []
            await self._send(b"".join(pending))

    async def _send(self, data: bytes) -> None:
        self._due = self._clock() + HEARTBEAT
        if not self._begun:
            data = self._frames.begin() + data
        if data:
            self._begun = True
            await self._write(data)
