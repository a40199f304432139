"""A response with a blob, or ranges of it, wherever the store has its bytes. It does not know who may read it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from jobs.blobs.ids import digest_of
from jobs.blobs.protocol import BlobStat, BlobStore

#: An extension by which servers send files by their paths.
_BY_PATH = "http.response.pathsend"
#: Knows conditional requests (RFC 9110, 13).
_CONDITIONS = StaticFiles()
#: Headers of a body.
_OF_BODY = ("content-length", "content-type")


class BlobResponse(FileResponse):
    """The blob is open from the beginning: it is sent whole, also where it is deleted meanwhile, if the store can."""

    def __init__(self, blobs: BlobStore, blob_id: str, headers: dict[str, str], media_type: str) -> None:
        """It waits for the store: call it off the event loop. Raises BlobGone and ServiceUnavailable."""
        self._blob = blobs.open(blob_id)
        try:
            stat = blobs.stat(blob_id)
        except BaseException:
            self._blob.close()
            raise
        digest = digest_of(blob_id)
        tag = {} if digest is None else {"etag": f'"{digest}"'}
        super().__init__(
            blob_id, headers={**tag, **headers}, media_type=media_type, stat_result=_as_file(stat)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        extensions = {name: each for name, each in scope.get("extensions", {}).items() if name != _BY_PATH}
        try:
            if _CONDITIONS.is_not_modified(self.headers, Headers(scope=scope)):
                # What browsers may do with the file they know from these headers, too.
                kept = {name: value for name, value in self.headers.items() if name not in _OF_BODY}
                await Response(status_code=304, headers=kept)(scope, receive, send)
            else:
                await super().__call__({**scope, "extensions": extensions}, receive, send)
        finally:
            self._blob.close()

    @asynccontextmanager
    async def _open_file(self) -> AsyncIterator[Any]:
        """Where Starlette opens the file."""
        yield anyio.wrap_file(self._blob)


def _as_file(stat: BlobStat) -> os.stat_result:
    modified = int(stat.modified)
    return os.stat_result((0, 0, 0, 0, 0, 0, stat.size, modified, modified, modified))
