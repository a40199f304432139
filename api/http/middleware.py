"""The first middleware of every request: its id, its path, HEAD, and the bound of its body."""

import asyncio
import secrets
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.addresses import addresses_of
from api.http.errors import error_response
from jobs.errors import PayloadTooLarge

#: Bytes that a form may have around its files.
_FORM = 1 << 20


class RequestIds:
    """Puts `x-request-id` on every response: the job's id if the route set one, else a fresh one. Notes its status.

    A route whose clients look for it in another header names that in `request.state.id_header`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = f"req-{secrets.token_hex(12)}"

        async def name(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = state["request_id"]
                if "id_header" in state:
                    headers[state["id_header"]] = state["request_id"]
            await send(message)

        await self.app(scope, receive, name)


class Paths:
    """Normalises paths."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            addresses = addresses_of(scope)
            scope = addresses.within(scope)
            path = addresses.plain(scope["path"])
            if path != scope["path"]:
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self.app(scope, receive, send)


class Heads:
    """Answers HEAD as GET without its body (RFC 9110, 9.3.2).

    The application meets a GET whose client leaves when it has the head, so that a stream ends there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        answered = asyncio.Event()

        async def leave() -> Message:
            heard = asyncio.ensure_future(receive())
            over = asyncio.ensure_future(answered.wait())
            try:
                await asyncio.wait((heard, over), return_when=asyncio.FIRST_COMPLETED)
                return heard.result() if heard.done() else {"type": "http.disconnect"}
            finally:
                heard.cancel()
                over.cancel()

        async def head(message: Message) -> None:
            if message["type"] != "http.response.start" and answered.is_set():
                return
            await send(message)
            if message["type"] == "http.response.start":
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                answered.set()

        await self.app({**scope, "method": "GET"}, leave, head)


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
