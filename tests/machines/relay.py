"""A cable between a worker and the server: TCP that a test can unplug, split, delay and slow down.

It runs on a thread of its own. It knows bytes and connections. It does not know what is sent.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
#: A socket's path, or a host and a port.
Target: TypeAlias = Path | tuple[str, int]
#: Bytes that are sent at once, and chunks that are on their way: more waits at the sender.
_CHUNK, _ON_ITS_WAY = 16_384, 64


@dataclass(eq=False)
class Way:
    """One direction of all connections. `delay`: seconds. `rate`: bytes per second of all together, 0: no limit."""

    delay: float = 0.0
    rate: float = 0.0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    _free_at: float = 0.0

    async def pass_on(self, size: int, sent_at: float) -> None:
        """Wait until so many bytes that were sent then have arrived."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(sent_at + self.delay - loop.time())
        await self.open.wait()
        if self.rate:
            begin = max(loop.time(), self._free_at)
            self._free_at = begin + size / self.rate
            await asyncio.sleep(self._free_at - loop.time())


class Relay:
    """Use as a context manager. Each of the `ports` of the address leads to a target.

    What is sent over a cut cable arrives when it is mended, as TCP repeats it. `break_off` ends all connections.
    """

    def __init__(self, *targets: Target, address: str = "127.0.0.1", ports: Sequence[int] = ()) -> None:
        """`ports`: which they are, as many as there are targets; by default free ones."""
        self._loop = asyncio.new_event_loop()
        self._targets = list(targets)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = [socket.create_server((address, port)) for port in ports or [0] * len(targets)]
        self.ports: list[int] = [listening.getsockname()[1] for listening in self._listening]
        #: to the target, and back
        self.there, self.back = Way(), Way()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)

    def __enter__(self) -> "Relay":
        self._thread.start()
        self._call(self._serve())
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def cut(self, *, there: bool = True, back: bool = True) -> None:
        """Let nothing through, to the target or back."""
        self._call(self._switch(there=not there, back=not back))

    def mend(self) -> None:
        """Let all through."""
        self._call(self._switch(there=True, back=True))

    def slow(self, delay: float, rate: float) -> None:
        """Each direction takes so long, and lets so many bytes per second through. 0, 0: as fast as it can."""
        self._call(self._slow(delay, rate))

    def lead_to(self, target: Target) -> None:
        """New connections to the first port lead elsewhere; those that are open end."""
        self._targets[0] = target
        self.break_off()

    def break_off(self) -> None:
        """End all connections at once."""
        self._call(self._end())

    # -- on the thread of the relay ----------------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(10)

    async def _switch(self, *, there: bool, back: bool) -> None:
        for way, lets_through in ((self.there, there), (self.back, back)):
            if lets_through:
                way.open.set()
            else:
                way.open.clear()

    async def _slow(self, delay: float, rate: float) -> None:
        for way in (self.there, self.back):
            way.delay, way.rate = delay, rate

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _serve(self) -> None:
        self._servers = [
            await asyncio.start_server(partial(self._accept, number), sock=listening)
            for number, listening in enumerate(self._listening)
        ]

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError):
                await self._relay(self._targets[number], reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            # With what has not arrived, as a machine does that is gone.
            writer.transport.abort()

    async def _relay(
        self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self.there.open.wait()
        upstream_reader, upstream_writer = await _connect(target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, upstream_writer, self.there))
                group.create_task(_pump(upstream_reader, writer, self.back))
        except* OSError:
            pass
        finally:
            upstream_writer.transport.abort()


async def _connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(target, Path):
        return await asyncio.open_unix_connection(str(target))
    return await asyncio.open_connection(*target)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
    """Pass on what is read until its end, and the end too."""
    loop = asyncio.get_running_loop()
    sent: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_ON_ITS_WAY)

    async def deliver() -> None:
        while True:
            at, data = await sent.get()
            await way.pass_on(len(data), at)
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    async with asyncio.TaskGroup() as group:
        group.create_task(deliver())
        while data := await reader.read(_CHUNK):
            await sent.put((loop.time(), data))
        await sent.put((loop.time(), b""))
