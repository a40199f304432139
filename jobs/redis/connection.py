"""Connections to Redis: bounded, named and quick to say that Redis is gone.

An address may end with `#` and the SHA-256 of a certificate: then nothing is sent to a server that has another one.
"""

import asyncio
import contextlib
import hashlib
import hmac
import socket
import ssl
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ResponseError
from redis.retry import Retry

#: Connections of one API process, the bus included; more requests wait for a free one.
API_CONNECTIONS = 8
#: Seconds to wait for a connection, and for an answer that is not meant to block.
CONNECT_TIMEOUT = 2.0
ANSWER_TIMEOUT = 10.0


class _Pool(redis.asyncio.ConnectionPool):
    """So many connections at most. A command waits for a free one as long as others get answers.

    That all are busy does not mean that Redis is gone. redis-py's own BlockingConnectionPool does not know that, and
    its bookkeeping takes two fifths of the processor time of a command.
    """

    def __init__(self, *, timeout: float, **options: Any) -> None:
        super().__init__(**options)
        #: seconds without an answer after which nobody waits any longer
        self.timeout = timeout
        self._free = asyncio.Semaphore(self.max_connections)
        self._answered_at = float("-inf")
        self._is_closed = False

    async def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> Any:
        """Raises redis-py's ConnectionError."""
        await self._wait()
        connection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        # One that has failed was closed.
        if connection.is_connected:
            self._answered_at = time.monotonic()
        self._in_use_connections.remove(connection)
        self._available_connections.append(connection)
        self._free.release()
        if self._is_closed:
            # It was being connected meanwhile.
            await connection.disconnect(nowait=True)

    async def aclose(self) -> None:
        self._is_closed = True
        # At once: the task may be cancelled again while it waits for their ends.
        for connection in (*self._available_connections, *self._in_use_connections):
            await connection.disconnect(nowait=True)
        await super().aclose()

    async def _wait(self) -> None:
        while self._free.locked():
            began = time.monotonic()
            try:
                async with asyncio.timeout(self.timeout):
                    await self._free.acquire()
                return
            except TimeoutError as error:
                if self._answered_at < began:
                    raise ConnectionError("No connection to Redis is free.") from error
        await self._free.acquire()


class _Client(redis.asyncio.Redis):
    """As a context manager it is closed also when its task is cancelled again meanwhile. It can't be nested."""

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def async_connection(address: str, *, blocking_reads: bool = False) -> redis.asyncio.Redis:
    """A client for an event loop, speaking str. `blocking_reads`: for pub/sub, where silence is no error."""
    # A socket of this machine connects at once. Where it takes longer, the event loop is busy.
    local = urlsplit(address).scheme == "unix"
    pool = _Pool.from_url(
        address,
        decode_responses=True,
        # What is no text in one value must not take the others along.
        encoding_errors="replace",
        max_connections=1 if blocking_reads else API_CONNECTIONS,
        timeout=ANSWER_TIMEOUT,
        socket_connect_timeout=ANSWER_TIMEOUT if local else CONNECT_TIMEOUT,
        socket_timeout=None if blocking_reads else ANSWER_TIMEOUT,
        # One more try, for a pooled connection that a restart of Redis has closed.
        retry=AsyncRetry(NoBackoff(), 0 if blocking_reads else 1),
    )
    return _Client.from_pool(pool)


class WrongCertificate(ConnectionError):
    """Another server answers than the one whose certificate is known."""


class _Known(redis.SSLConnection):
    """A connection to a server whose certificate is known by its fingerprint: no authority is asked."""

    def __init__(self, *, fingerprint: str, **options: Any) -> None:
        super().__init__(**options)
        self._fingerprint = fingerprint

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        """Raises OSError and WrongCertificate."""
        link = _context().wrap_socket(sock, server_hostname=self.host)
        found = hashlib.sha256(link.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(found, self._fingerprint):
            link.close()
            raise WrongCertificate("The server has another certificate than the one of the key.")
        return link


@cache
def _context() -> ssl.SSLContext:
    """Takes any certificate. Made once: redis-py reads all authorities of the system for each connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connection(address: str, *, name: str | None = None) -> redis.Redis:
    """A client for threads, speaking bytes. Its connections have no `name` where the user may not give them one."""
    options: dict[str, Any] = {} if name is None else {"redis_connect_func": _naming(name)}
    if fingerprint := urlsplit(address).fragment:
        options |= {"connection_class": _Known, "fingerprint": fingerprint}
    return redis.Redis.from_url(
        address,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=ANSWER_TIMEOUT,
        retry=Retry(NoBackoff(), 1),
        **options,
    )


def _naming(name: str) -> Callable[[redis.Connection], None]:
    def connect(link: redis.Connection) -> None:
        link.on_connect()  # type: ignore[no-untyped-call]
        link.send_command("CLIENT", "SETNAME", name)  # type: ignore[no-untyped-call]
        with contextlib.suppress(ResponseError):
            link.read_response()

    return connect
