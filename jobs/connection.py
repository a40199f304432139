"""Connections to Redis: bounded, named and quick to say that Redis is gone.

An address may end with `#` and the SHA-256 of a certificate: then nothing is sent to a server that has another one.
"""

import contextlib
import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ResponseError
from redis.retry import Retry

#: Connections of one API process, the bus included; more requests wait for a free one.
API_CONNECTIONS = 8
#: Seconds to wait for a connection, and for an answer that is not meant to block. A request of a crowd also waits
#: that long until one of the others' connections is free: that they are busy does not mean that Redis is gone.
CONNECT_TIMEOUT = 2.0
ANSWER_TIMEOUT = 10.0


def async_connection(address: str, *, blocking_reads: bool = False) -> redis.asyncio.Redis:
    """A client for an event loop, speaking str. `blocking_reads`: for pub/sub, where silence is no error."""
    pool: redis.asyncio.BlockingConnectionPool = redis.asyncio.BlockingConnectionPool.from_url(
        address,
        decode_responses=True,
        max_connections=1 if blocking_reads else API_CONNECTIONS,
        timeout=ANSWER_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=None if blocking_reads else ANSWER_TIMEOUT,
        # One more try, for a pooled connection that a restart of Redis has closed.
        retry=AsyncRetry(NoBackoff(), 0 if blocking_reads else 1),
    )
    return redis.asyncio.Redis.from_pool(pool)


class WrongCertificate(ConnectionError):
    """Another server answers than the one whose certificate is known."""


def connection(address: str, *, name: str | None = None) -> redis.Redis:
    """A client for threads, speaking bytes. Its connections have no `name` where the user may not give them one."""
    fingerprint = urlsplit(address).fragment
    usual = name is None and not fingerprint
    return redis.Redis.from_url(
        address,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=ANSWER_TIMEOUT,
        retry=Retry(NoBackoff(), 1),
        **({} if usual else {"redis_connect_func": _opening(name, fingerprint)}),
    )


def _opening(name: str | None, fingerprint: str) -> Callable[[redis.Connection], None]:
    def connect(link: redis.Connection) -> None:
        if fingerprint:
            _compare(link, fingerprint)
        link.on_connect()  # type: ignore[no-untyped-call]
        if name is not None:
            link.send_command("CLIENT", "SETNAME", name)  # type: ignore[no-untyped-call]
            with contextlib.suppress(ResponseError):
                link.read_response()

    return connect


def _compare(link: redis.Connection, fingerprint: str) -> None:
    """Raises WrongCertificate."""
    socket: Any = link._get_socket()  # type: ignore[no-untyped-call]
    found = socket.getpeercert(binary_form=True) or b""
    if not hmac.compare_digest(hashlib.sha256(found).hexdigest(), fingerprint):
        raise WrongCertificate("The server has another certificate than the one of the key.")
