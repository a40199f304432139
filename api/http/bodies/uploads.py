"""The files of a request: stored while it is read, and deleted if it does not become a job."""

import anyio
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.blobs import BlobStore, Uploads


def uploads_of(request: HTTPConnection) -> Uploads:
    uploads: Uploads = request.state.uploads
    return uploads


async def discard(uploads: Uploads) -> None:
    """Delete what no job has taken over, also while the request is cancelled."""
    if uploads.ids:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(uploads.discard)


class OwnUploads:
    """Gives each request its `Uploads`. What no job has taken over by then is deleted before the answer begins."""

    def __init__(self, app: ASGIApp, blobs: BlobStore) -> None:
        self.app = app
        self.blobs = blobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        uploads = Uploads(self.blobs)
        scope.setdefault("state", {})["uploads"] = uploads

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                await discard(uploads)
            await send(message)

        try:
            await self.app(scope, receive, answer)
        finally:
            uploads.end()
            await discard(uploads)
