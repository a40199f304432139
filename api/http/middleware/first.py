"""The first middleware of every request: its id, its path, and HEAD."""

import asyncio
import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.routes.addresses import addresses_of


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
