"""The Redis side of the gateway: connections of joined workers, each with one of its own to Redis.

It lets nobody in without a session, reads commands for the filter, and passes answers on unread. Which sessions are
valid the guard knows; what a command may be, the filter.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

import hiredis
from redis.exceptions import RedisError

from mlxq.gateway.filter import Filter, NoCommand, pack
from mlxq.gateway.guard import Guard
from mlxq.gateway.sessions import Joined
from mlxq.gateway.upstream import Streams, Unreachable, connect

log = logging.getLogger(__name__)

#: Seconds for the handshake of TLS, and from there to a session.
_PATIENCE = 10.0
#: Bytes of the first command, which has the name and the token; of a later one: the largest result, twice.
_LONGEST_FIRST, _LONGEST = 1024, 192 << 20
_CHUNK = 256 << 10
#: Connections that may be open, and those of one address that have no session yet.
_MOST, _MOST_ENTERING = 4096, 256
_REFUSED = b"-WRONGPASS this worker has not joined, or its key was revoked\r\n"
_FULL = b"-ERR too many connections\r\n"
_AWAY = b"-LOADING Redis is out of reach\r\n"


class Worker:
    """A joined worker with open connections. `heard` is on the monotonic clock."""

    def __init__(self, joined: Joined) -> None:
        self.joined = joined
        self.connections: set[asyncio.StreamWriter] = set()
        self.heard = time.monotonic()


class RedisSide:
    """Call `start`, then `close`."""

    def __init__(self, guard: Guard, on_left: Callable[[Joined], None] = lambda _: None) -> None:
        """`on_left`: called when a worker has closed its last connection, or its process has ended."""
        self._guard = guard
        self._on_left = on_left
        self._workers: dict[str, Worker] = {}
        self._server: asyncio.Server | None = None
        self._open = 0
        #: connections without a session, by their addresses
        self._entering: Counter[str] = Counter()

    @property
    def workers(self) -> Mapping[str, Worker]:
        """Those with connections, by their names."""
        return self._workers

    async def start(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        self._server = await asyncio.start_server(
            self._serve, sock=listener, ssl=context, ssl_handshake_timeout=_PATIENCE, limit=_CHUNK
        )

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.send_away([worker.joined for worker in self._workers.values()])

    def send_away(self, sessions: Collection[Joined]) -> None:
        """Close their connections."""
        for joined in sessions:
            worker = self._workers.pop(joined.worker, None)
            for writer in worker.connections if worker is not None else ():
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        address = str((writer.get_extra_info("peername") or ("",))[0])
        try:
            with self._entrance(address) as has_room:
                if self._open > _MOST or not has_room:
                    writer.write(_FULL)
                    return
                async with asyncio.timeout(_PATIENCE):
                    entered = await self._enter(reader, writer)
            if entered is not None:
                await self._stay(*entered, (reader, writer))
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except Exception:  # one connection must not end the others
            log.exception("a connection of a worker failed")
        finally:
            self._open -= 1
            writer.close()

    @contextlib.contextmanager
    def _entrance(self, address: str) -> Iterator[bool]:
        """Whether there is room for one more connection without a session from this address."""
        self._entering[address] += 1
        try:
            yield self._entering[address] <= _MOST_ENTERING
        finally:
            self._entering[address] -= 1
            if not self._entering[address]:
                del self._entering[address]

    async def _enter(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[Joined, Streams] | None:
        """Its session, and a connection to Redis. None: it was refused."""
        words = await _first_command(reader)
        protocol, worker, token = _credentials(words)
        try:
            joined = await self._guard.check(worker, token)
            if joined is None:
                log.warning("a worker without a valid key was refused")
                writer.write(_REFUSED)
                return None
            upstream = await connect(self._guard.settings.redis_address)
        except (RedisError, Unreachable):
            writer.write(_AWAY)
            return None
        if protocol:
            # Its answer is the one to this command.
            upstream[1].write(pack(b"HELLO", protocol))
        else:
            writer.write(b"+OK\r\n")
        return joined, upstream

    async def _stay(self, joined: Joined, upstream: Streams, downstream: Streams) -> None:
        worker = self._workers.setdefault(joined.worker, Worker(joined))
        worker.connections.add(downstream[1])
        tasks = [
            asyncio.create_task(self._ask(worker, downstream[0], upstream[1])),
            asyncio.create_task(_answer(upstream[0], downstream[1])),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except NoCommand:
            log.warning("%s sent what is no command", joined.worker)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            upstream[1].close()
            worker.connections.discard(downstream[1])
            if not worker.connections and self._workers.get(joined.worker) is worker:
                del self._workers[joined.worker]
                self._on_left(joined)

    async def _ask(self, worker: Worker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass commands on. Raises NoCommand."""
        judge, parser, unread = Filter(worker.joined, self._guard.settings).judge, hiredis.Reader(), 0
        while chunk := await reader.read(_CHUNK):
            worker.heard = time.monotonic()
            parser.feed(chunk)
            unread += len(chunk)
            judged: list[bytes] = []
            try:
                while (command := parser.gets(False)) is not False:
                    judged.append(judge(command))
            except (hiredis.HiredisError, MemoryError) as error:
                raise NoCommand from error
            if judged:
                unread = 0
                writer.writelines(judged)
                await writer.drain()
            elif unread > _LONGEST:
                raise NoCommand


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()


async def _first_command(reader: asyncio.StreamReader) -> list[bytes]:
    """The words of the first command, which is short. Raises OSError and IncompleteReadError."""
    words: list[bytes] = []
    left = _LONGEST_FIRST
    for _ in range(_count(await reader.readuntil(b"\r\n"), b"*", 8)):
        size = _count(await reader.readuntil(b"\r\n"), b"$", left)
        words.append((await reader.readexactly(size + 2))[:-2])
        left -= size
    return words


def _count(line: bytes, sign: bytes, most: int) -> int:
    number = line[1:-2]
    if line[:1] != sign or not number.isdigit() or len(number) > 4 or int(number) > most:
        raise ConnectionError("this is no command")
    return int(number)


def _credentials(words: list[bytes]) -> tuple[bytes, str, str]:
    """The version of the protocol or nothing, a name and a token. Raises ConnectionError."""
    with contextlib.suppress(UnicodeDecodeError):
        match [words[0].upper() if words else b"", *words[1:]]:
            case [b"HELLO", (b"2" | b"3") as version, word, worker, token] if word.upper() == b"AUTH":
                return version, worker.decode("ascii"), token.decode("ascii")
            case [b"AUTH", worker, token]:
                return b"", worker.decode("ascii"), token.decode("ascii")
    raise ConnectionError("this is no worker")
