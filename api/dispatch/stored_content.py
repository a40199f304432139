"""A response with the content of a stored file, part by part. It may be a file that a batch still writes."""

import asyncio
from collections.abc import AsyncIterator
from typing import BinaryIO

from starlette.responses import Response, StreamingResponse

from jobs.blobs import BlobStore
from jobs.errors import BlobGone, NotFound
from jobs.files import FileStore, Part

#: Bytes that are read in one go.
_PIECE = 256 << 10
#: How often the parts are read again where the last one was replaced meanwhile.
_TRIES = 5


async def content_response(
    files: FileStore, blobs: BlobStore, file_id: str, headers: dict[str, str], media_type: str
) -> Response:
    """What the file has now. Raises NotFound where it was deleted."""
    parts = await files.parts(file_id)
    if not parts:
        raise NotFound(f"The content of the file '{file_id[:100]}' is not there any more.")
    size = sum(part.size for part in parts)
    return StreamingResponse(
        _content(files, blobs, file_id, size),
        headers={**headers, "content-length": str(size)},
        media_type=media_type,
    )


async def _content(files: FileStore, blobs: BlobStore, file_id: str, left: int) -> AsyncIterator[bytes]:
    """The first bytes of a file; what is added meanwhile comes after them."""
    parts, last = await _opened(files, blobs, file_id)
    with last:
        for part in parts[:-1]:
            with await asyncio.to_thread(blobs.open, part.blob) as file:
                while left and (piece := await asyncio.to_thread(file.read, min(left, _PIECE))):
                    left -= len(piece)
                    yield piece
        while left and (piece := await asyncio.to_thread(last.read, min(left, _PIECE))):
            left -= len(piece)
            yield piece


async def _opened(files: FileStore, blobs: BlobStore, file_id: str) -> tuple[list[Part], BinaryIO]:
    """The parts of a file, and its last one open: only that can be replaced. Raises BlobGone."""
    for _ in range(_TRIES):
        parts = await files.parts(file_id)
        try:
            return parts, await asyncio.to_thread(blobs.open, parts[-1].blob)
        except (BlobGone, IndexError):
            pass
    raise BlobGone("The content of the file is not there any more.")
