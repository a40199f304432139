"""The bound of the bytes of a request's body."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.answers.errors import error_response
from jobs.errors import PayloadTooLarge

#: Bytes that a form may have around its files.
_FORM = 1 << 20


class BodyLimit:
    """Refuses bodies that are larger than `limit` bytes: by their Content-Length, else during the upload.

    Where files are sent they may have `larger` bytes, by the path, and a form around them.
    """

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[str, int]) -> None:
        self.app = app
        self.limit = limit
        self.larger = {path: max(limit, size + _FORM) for path, size in larger.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.larger.get(scope["path"], self.limit)
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > limit:
                await error_response(_too_large(limit))(scope, receive, send)
                return
        size = 0

        async def count() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > limit:
                    raise _too_large(limit)
            return message

        await self.app(scope, count, send)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request's body is larger than {limit / 1024 / 1024:g} MB.")
