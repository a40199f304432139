"""Requests to addresses that clients named, without giving them access to this machine's networks.

A name is resolved once, and the connection goes to an address that was checked. Redirects are not followed here.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Mapping
from functools import cache
from types import TracebackType

import httpx

from api.http.outgoing.errors import FetchError
from api.http.outgoing.public_address import is_public

#: Names whose addresses are asked for at a time. Who answers decides how long that takes: neither what needs threads
#: of the event loop waits for it, nor the end of the process.
_ROOM = threading.BoundedSemaphore(32)


class Outgoing:
    """A client for one request or a few, with limits of time that its user sets. Use as a context manager."""

    def __init__(self, *, private: bool) -> None:
        """`private`: also to this machine and to private networks."""
        self._private = private

    async def __aenter__(self) -> "Outgoing":
        context = await asyncio.to_thread(_tls)
        self._client = httpx.AsyncClient(verify=context, trust_env=False, timeout=None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None = None
    ) -> httpx.Response:
        """The response's head, from the first of the host's addresses that answers. The caller closes it.

        Raises FetchError, and httpx.HTTPError.
        """
        failure: Exception | None = None
        for address in await self._addresses(url):
            request = self._client.build_request(
                method,
                url.copy_with(host=address),
                headers={"host": url.netloc.decode(), "accept-encoding": "identity", **headers},
                content=content,
                extensions={"sni_hostname": url.host},
            )
            try:
                return await self._client.send(request, stream=True)
            except httpx.ConnectError as error:
                failure = error
        raise FetchError("it could not be fetched") from failure

    async def _addresses(self, url: httpx.URL) -> list[str]:
        """The addresses of the host, each of them allowed."""
        try:
            addresses = await _resolved(url.host, url.port or url.scheme)
        except (OSError, UnicodeError):
            addresses = []
        if not addresses or not (self._private or all(map(is_public, addresses))):
            # One message for both, so that clients can't find out whether an internal name exists.
            raise FetchError("its host has no public address")
        return addresses


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


async def _resolved(host: str, port: int | str) -> list[str]:
    """The addresses of a name. Raises OSError, UnicodeError, and FetchError where too many are asked for."""
    if not _ROOM.acquire(blocking=False):
        raise FetchError("too many addresses are being fetched")
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def ask() -> None:
        addresses: list[str] = []
        failure: Exception | None = None
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(row[4][0]) for row in rows]
        except Exception as error:  # it is raised where it is waited for
            failure = error
        finally:
            _ROOM.release()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=ask, name="names", daemon=True).start()
    return await found
