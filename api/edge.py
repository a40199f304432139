"""What every request passes first: its id, its path without or with `/v1`, and the bound on its body."""

import secrets

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
        "jobs",
        "manager",
        "models",
        "queue",
        "settings",
        "system",
        "voices",
    }
)


#: Paths whose bodies hold recordings, and what a form may have around one.
_RECORDINGS = frozenset({"/v1/audio/transcriptions", "/v1/audio/translations"})
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

    Those with a recording may be larger: it may have `recordings` bytes.
    """

    def __init__(self, app: ASGIApp, limit: int, recordings: int) -> None:
        self.app = app
        self.limit = limit
        self.recordings = recordings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.recordings + _FORM if scope["path"] in _RECORDINGS else self.limit
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
