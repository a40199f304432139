"""Fetches addresses of clients without giving them access to this machine's networks.

A name is resolved once, and the connection goes to an address that was checked; redirects are checked anew.
"""

import asyncio
import socket
import ssl
from functools import cache

import httpx

from api.http.fetch_errors import FetchError, TooLarge
from api.http.public_address import is_public

#: Redirects that are followed.
_HOPS = 5
_SCHEMES = ("http", "https")


async def fetch(
    address: str, *, limit: int, timeout: float, private: bool = False, accept: str = "image/*"
) -> bytes:
    """At most `limit` bytes from an http(s) address, within `timeout` seconds. Raises FetchError.

    `private`: also from this machine and from private networks. `accept`: the types of content that are wanted.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _fetch(_url(address), limit, private, accept)
    except TimeoutError:
        raise FetchError(f"it took longer than {timeout:g} s to fetch it") from None
    except (httpx.HTTPError, OSError) as error:
        raise FetchError("it could not be fetched") from error


def _url(address: str) -> httpx.URL:
    try:
        return httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        raise FetchError("its address is not valid") from None


async def _fetch(url: httpx.URL, limit: int, private: bool, accept: str) -> bytes:
    context = await asyncio.to_thread(_tls)
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=None) as client:
        for _ in range(_HOPS + 1):
            response = await _connect(client, url, private, accept)
            try:
                if not response.has_redirect_location:
                    return await _read(response, limit)
                url = url.join(_url(response.headers["location"]))
            finally:
                await response.aclose()
    raise FetchError("it was redirected too often")


async def _connect(client: httpx.AsyncClient, url: httpx.URL, private: bool, accept: str) -> httpx.Response:
    """The response's head, from the first of the host's addresses that answers."""
    if url.scheme not in _SCHEMES or not url.host:
        raise FetchError("only http:// and https:// addresses are fetched, and data: URLs read")
    failure: Exception | None = None
    for address in await _addresses(url, private):
        request = client.build_request(
            "GET",
            url.copy_with(host=address),
            headers={"host": url.netloc.decode(), "accept": accept, "accept-encoding": "identity"},
            extensions={"sni_hostname": url.host},
        )
        try:
            return await client.send(request, stream=True)
        except httpx.ConnectError as error:
            failure = error
    raise FetchError("it could not be fetched") from failure


async def _addresses(url: httpx.URL, private: bool) -> list[str]:
    """The addresses of the host, each of them allowed."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            url.host, url.port or url.scheme, type=socket.SOCK_STREAM
        )
        addresses = [str(each[4][0]) for each in found]
    except (OSError, UnicodeError):
        addresses = []
    if not addresses or not (private or all(map(is_public, addresses))):
        # One message for both, so that clients can't find out whether an internal name exists.
        raise FetchError("its host has no public address")
    return addresses


async def _read(response: httpx.Response, limit: int) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise FetchError(f"its server answered with status {response.status_code}")
    data = bytearray()
    # The raw bytes: content that was compressed in spite of the request is not decompressed.
    async for chunk in response.aiter_raw():
        data += chunk
        if len(data) > limit:
            raise TooLarge(f"it is larger than {round(limit / 2**20, 2):g} MB")
    return bytes(data)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
