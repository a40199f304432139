"""A response with a file of a job, or a range of it."""

import re

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.dispatch.artifacts import Artifact
from api.http.answers.errors import error_response
from api.http.context import context_of
from api.http.middleware.cors import EMBEDDABLE
from jobs.blobs.response import BlobResponse
from jobs.errors import InvalidRequest

#: What a worker says of a file is not believed: it may be another machine's, and the address is the page's own.
_SHOWN = re.compile(r"(?:image/(?!svg)|audio/)[a-z0-9.+-]+(?:; ?[a-z]+=[a-z0-9]+)*")
_BYTES = "application/octet-stream"
_INERT = {"content-security-policy": "sandbox; default-src 'none'"}
_UNUSUAL = re.compile(r"[^\w.-]", re.ASCII)
#: How a range is refused that is none, or lies outside of the file.
_RANGE_REFUSED = (400, 416)


class _File(BlobResponse):
    """A range that cannot be served is refused as every other request is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused: Message | None = None

        async def watch(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] in _RANGE_REFUSED:
                refused = message
            elif refused is None:
                await send(message)

        await super().__call__(scope, receive, watch)
        if refused is not None:
            error = InvalidRequest(
                f"Invalid 'Range': the file has {self.headers['content-length']} bytes.", param="Range"
            )
            error.status, error.code = refused["status"], "invalid_range"
            kept = {k: v for k, v in Headers(raw=refused["headers"]).items() if k == "content-range"}
            await error_response(error, kept)(scope, receive, send)


def file_response(
    request: Request, artifact: Artifact, name: str, headers: dict[str, str] | None = None
) -> Response:
    """The whole file. It waits for the blob store: call it in a thread. Raises BlobGone."""
    disposition = {"content-disposition": f'inline; filename="{_UNUSUAL.sub("_", name)}"'}
    told = {**disposition, **_INERT, **EMBEDDABLE, **(headers or {})}
    shown = _SHOWN.fullmatch(artifact.content_type) is not None
    return _File(context_of(request).blobs, artifact.blob, told, artifact.content_type if shown else _BYTES)
