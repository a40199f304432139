"""A lean HTTP/1.1 client that notes when each piece of an answer arrives and reads it afterwards.

On the clock it only appends pieces to a list, so that 32 streams cost the machine next to nothing; headers,
chunks and events are taken apart by `read` when the run is over. Connections are kept when the server keeps
them, as the OpenAI SDK does. It knows nothing of redirects, TLS or compression.
"""

import asyncio
import bisect
import re
import time
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import orjson

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"^HTTP/1.0|\r\nconnection: *close", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass
class Reply:
    """One answer as it came over the wire. Times are `time.perf_counter()` seconds."""

    started: float
    connected: float = 0.0
    finished: float = 0.0
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    error: str = ""


@dataclass
class Answer:
    """A Reply taken apart. `events`: (arrival, data) of each server-sent event, or line of JSON."""

    status: int
    body: bytes
    events: list[tuple[float, bytes]]


class Client:
    """Posts JSON to one server; `post` may be called any number of times at once."""

    def __init__(self, base_url: str, api_key: str = "benchmark", timeout: float = 300.0) -> None:
        url = urlsplit(base_url)
        self.host, self.port, self.path = url.hostname or "127.0.0.1", url.port or 80, url.path.rstrip("/")
        self.timeout = timeout
        self._head = (
            f"host: {self.host}:{self.port}\r\nauthorization: Bearer {api_key}\r\n"
            "content-type: application/json\r\n"
        )
        self._idle: list[_Connection] = []

    async def post(self, path: str, body: dict[str, object]) -> Reply:
        """Send `body` and wait for the whole answer. Failures of the network are told in `Reply.error`."""
        data = orjson.dumps(body)
        head = f"POST {self.path}{path} HTTP/1.1\r\n{self._head}content-length: {len(data)}\r\n\r\n"
        reply = Reply(started=time.perf_counter())
        try:
            async with asyncio.timeout(self.timeout):
                connection = await self._connect()
                reply.connected = time.perf_counter()
                try:
                    await connection.exchange(head.encode() + data, reply)
                except BaseException:
                    connection.close()
                    raise
                if connection.open and connection.reusable:
                    self._idle.append(connection)
                else:
                    connection.close()
        except (OSError, TimeoutError) as error:
            reply.error = f"{type(error).__name__}: {error}"
        return reply

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _connect(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(_Connection, self.host, self.port))[1]


class _Connection(asyncio.Protocol):
    """One connection: one exchange at a time."""

    def __init__(self) -> None:
        self.open = False
        self.reusable = False
        self._transport: asyncio.Transport | None = None
        self._reply: Reply | None = None
        self._done: asyncio.Future[None] | None = None
        self._head = b""
        self._missing: int | None = None
        self._chunked = False
        self._tail = b""

    async def exchange(self, request: bytes, reply: Reply) -> None:
        if self._transport is None:
            raise ConnectionError("closed before the request")
        self._reply, self._done = reply, asyncio.get_running_loop().create_future()
        self._head, self._missing, self._chunked, self._tail = b"", None, False, b""
        self._transport.write(request)
        await self._done

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.open = cast(asyncio.Transport, transport), True

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:
            return
        reply.pieces.append((time.perf_counter(), data))
        if self._missing is not None:
            self._missing -= len(data)
        elif self._chunked:
            self._tail = self._tail[-6:] + data[-7:]
        else:
            self._head += data
            self._read_head()
        if (self._missing is not None and self._missing <= 0) or (
            self._chunked and self._tail.endswith(LAST_CHUNK)
        ):
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open, self._transport = False, None
        if self._reply is not None and (exc or self._missing is not None or self._chunked or not self._head):
            self._reply.error = f"connection lost: {exc or 'answer cut short'}"
        self._finish()

    def _read_head(self) -> None:
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        self.reusable = not CLOSES.search(head)
        if length := LENGTH.search(head):
            self._missing = int(length[1]) - len(rest)
        elif CHUNKED.search(head):
            self._chunked, self._tail = True, rest[-7:]

    def _finish(self) -> None:
        if self._reply is not None:
            self._reply.finished = time.perf_counter()
            self._reply = None
        if self._done is not None and not self._done.done():
            self._done.set_result(None)


def read(reply: Reply) -> Answer:
    """Take a Reply apart. An event has arrived when its last byte has. A reply without bytes has status 0."""
    raw = b"".join(data for _, data in reply.pieces)
    head, _, _ = raw.partition(b"\r\n\r\n")
    if not raw:
        return Answer(0, b"", [])
    status, start = int(raw[9:12]), len(head) + 4
    spans = _chunks(raw, start) if CHUNKED.search(head) else [(start, len(raw))]
    body = b"".join(raw[a:b] for a, b in spans)
    lines = b"application/x-ndjson" in head.lower()
    if not lines and b"text/event-stream" not in head.lower():
        return Answer(status, body, [])
    end = b"\n" if lines else b"\n\n"
    ends, total = [], 0
    for _, data in reply.pieces:
        total += len(data)
        ends.append(total)
    events, position = [], 0
    for frame in body.split(end)[:-1]:
        position += len(frame) + len(end)
        arrival = reply.pieces[bisect.bisect_left(ends, _raw_offset(spans, position))][0]
        if lines:
            events.append((arrival, frame))
        else:
            events += [
                (arrival, line[5:].strip()) for line in frame.split(b"\n") if line.startswith(b"data:")
            ]
    return Answer(status, body, events)


def _chunks(raw: bytes, position: int) -> list[tuple[int, int]]:
    """Where the payloads of a chunked body lie in `raw`."""
    spans = []
    while (line := raw.find(b"\r\n", position)) >= 0 and (size := int(raw[position:line].split(b";")[0], 16)):
        spans.append((line + 2, line + 2 + size))
        position = line + 4 + size
    return spans


def _raw_offset(spans: list[tuple[int, int]], position: int) -> int:
    """The end of the first `position` payload bytes, as an offset into the raw answer."""
    for start, end in spans:
        if position <= end - start:
            return start + position
        position -= end - start
    return spans[-1][1]
