"""What every request passes first: its id, its path without or with `/v1`, and the bound on its body."""

import secrets
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import error_response
from jobs.errors import PayloadTooLarge

#: First parts of paths that are also answered without `/v1` (R97).
_VERSIONED = frozenset(
    {
        "audio",
        "chat",
        "completions",
        "discover",
        "embeddings",
        "images",
        "jobs",
        "manager",
        "models",
        "queue",
        "settings",
        "system",
        "voices",
    }
)


#: Bytes that a form may have around its files.
_FORM = 1 << 20


class RequestIds:
    """Puts `x-request-id` on every response: the job's id if the route set one, else a fresh one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def name(message: Message) -> None:
            if message["type"] == "http.response.start":
                request_id = state.get("request_id") or f"req-{secrets.token_hex(12)}"
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        await self.app(scope, receive, name)


class Paths:
    """Gives paths the `/v1` that some clients leave out, and takes away a trailing slash."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if path.partition("/")[0] == "" and path.split("/", 2)[1] in _VERSIONED:
                path = f"/v1{path}"
            if len(path) > 1 and path.endswith("/"):
                path = path.rstrip("/") or "/"
            if path != scope["path"]:
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self.app(scope, receive, send)


class BodyLimit:
    """Refuses bodies that are larger than `limit` bytes: by their Content-Length, else while they come in.

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
