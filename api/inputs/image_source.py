"""The bytes of an image in a request: base64, a data: URL, an address, or a file of a form.

It does not decode the image.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from starlette.datastructures import UploadFile

from api.http.bodies.base64_text import base64_in, from_base64, is_data_url
from api.http.outgoing.errors import FetchError, TooLarge
from config.settings import Settings
from jobs.errors import InvalidRequest, PayloadTooLarge
from mlxq.media.unreadable import UnreadableImage

_SCHEMES = ("http://", "https://")


@contextmanager
def refusals(what: str, param: str) -> Iterator[None]:
    """Turn errors of an image into a sentence about `what`. Raises InvalidRequest and PayloadTooLarge."""
    try:
        yield
    except (FetchError, UnreadableImage) as error:
        raise InvalidRequest(f"{what} can't be used: {error}.", param=param, code="invalid_image") from error
    except PayloadTooLarge as error:
        raise PayloadTooLarge(f"{what} can't be used: {error}.", param=param) from None


@asynccontextmanager
async def image_bytes(source: UploadFile | str, settings: Settings) -> AsyncIterator[bytes]:
    """The bytes of the image. Text that is neither a data: URL nor an address is base64.

    Raises FetchError, UnreadableImage and PayloadTooLarge, whose messages are for the user.
    """
    limit = settings.max_image_bytes
    if isinstance(source, UploadFile):
        data = await source.read(limit + 1)
        if len(data) > limit:
            raise _too_large(limit)
        yield data
    elif source[:8].lower().startswith(_SCHEMES):
        async with from_address(source, settings) as data:
            yield data
    else:
        yield await asyncio.to_thread(decode, source, limit)


@asynccontextmanager
async def from_address(url: str, settings: Settings) -> AsyncIterator[bytes]:
    """The bytes of a data: URL or of a web address. Raises the same."""
    limit = settings.max_image_bytes
    if is_data_url(url):
        yield await asyncio.to_thread(decode, url, limit)
        return
    from api.http.outgoing.fetch import fetch

    try:
        async with fetch(
            url, limit=limit, timeout=settings.image_fetch_timeout, private=settings.allow_private_urls
        ) as data:
            yield data
    except TooLarge:
        raise _too_large(limit) from None


def decode(text: str, limit: int) -> bytes:
    """The bytes of base64, plain or in a data: URL, whose media type is ignored. Raises the same."""
    try:
        data = base64_in(text)
        if len(data) * 3 // 4 > limit + 3:
            raise _too_large(limit)
        return from_base64(data)
    except ValueError as error:
        raise UnreadableImage("it is not in base64") from error


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"it is larger than {round(limit / 2**20, 2):g} MB")
