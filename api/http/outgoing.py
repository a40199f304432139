"""Requests to addresses that clients named, without giving them access to this machine's networks.

A name is resolved once, and the connection goes to an address that was checked. Redirects are not followed here.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from functools import cache
from types import TracebackType

import httpx

from api.http.fetch_errors import FetchError
from api.http.public_address import is_public


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
            found = await asyncio.get_running_loop().getaddrinfo(
                url.host, url.port or url.scheme, type=socket.SOCK_STREAM
            )
            addresses = [str(each[4][0]) for each in found]
        except (OSError, UnicodeError):
            addresses = []
        if not addresses or not (self._private or all(map(is_public, addresses))):
            # One message for both, so that clients can't find out whether an internal name exists.
            raise FetchError("its host has no public address")
        return addresses


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
