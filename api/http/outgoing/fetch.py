"""Fetches addresses of clients without giving them access to this machine's networks: redirects are checked anew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from api.http.outgoing.errors import FetchError, TooLarge
from api.http.outgoing.requests import Outgoing

#: Redirects that are followed.
_HOPS = 5
_SCHEMES = ("http", "https")
#: Bytes of all that is fetched at a time. A request of a few bytes may name many large files.
_MOST_HELD = 512 << 20


class _Hand:
    """Counts the bytes that a fetch holds in memory, and all of them together."""

    held = 0

    def __init__(self) -> None:
        self._own = 0

    def take(self, size: int) -> None:
        """Raises FetchError when there is no room."""
        if _Hand.held + size > _MOST_HELD:
            raise FetchError("too much is being fetched")
        _Hand.held += size
        self._own += size

    def give_back(self) -> None:
        _Hand.held -= self._own
        self._own = 0


@asynccontextmanager
async def fetch(
    address: str, *, limit: int, timeout: float, private: bool = False, accept: str = "image/*"
) -> AsyncIterator[bytes]:
    """At most `limit` bytes from an http(s) address, within `timeout` seconds. Raises FetchError.

    `private`: also from this machine and from private networks. `accept`: the types of content that are wanted.
    The bytes count as being fetched until the context ends.
    """
    hand = _Hand()
    try:
        yield await _within(timeout, private, _url(address), limit, accept, hand)
    finally:
        hand.give_back()


async def _within(
    timeout: float, private: bool, url: httpx.URL, limit: int, accept: str, hand: _Hand
) -> bytes:
    try:
        async with asyncio.timeout(timeout), Outgoing(private=private) as outgoing:
            return await _fetch(outgoing, url, limit, accept, hand)
    except TimeoutError:
        raise FetchError(f"it took longer than {timeout:g} s to fetch it") from None
    except (httpx.HTTPError, OSError) as error:
        raise FetchError("it could not be fetched") from error


def _url(address: str) -> httpx.URL:
    try:
        return httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        raise FetchError("its address is not valid") from None


async def _fetch(outgoing: Outgoing, url: httpx.URL, limit: int, accept: str, hand: _Hand) -> bytes:
    for _ in range(_HOPS + 1):
        if url.scheme not in _SCHEMES or not url.host:
            raise FetchError("only http:// and https:// addresses are fetched, and data: URLs read")
        response = await outgoing.send("GET", url, {"accept": accept})
        try:
            if not response.has_redirect_location:
                return await _read(response, limit, hand)
            url = url.join(_url(response.headers["location"]))
        finally:
            await response.aclose()
    raise FetchError("it was redirected too often")


async def _read(response: httpx.Response, limit: int, hand: _Hand) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise FetchError(f"its server answered with status {response.status_code}")
    data = bytearray()
    # The raw bytes: content that was compressed in spite of the request is not decompressed.
    async for chunk in response.aiter_raw():
        hand.take(len(chunk))
        data += chunk
        if len(data) > limit:
            raise TooLarge(f"it is larger than {round(limit / 2**20, 2):g} MB")
    return bytes(data)
