"""Logs a line for each request, or only for refused and failed ones, as ACCESS_LOG says."""

import logging
import time
from typing import Literal

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.callers.app_name import app_name
from jobs.job_log import word

log = logging.getLogger(__name__)

_LONGEST_PATH = 200


class AccessLog:
    """The outermost middleware. A line names method, path, status, milliseconds, the request's id and the app.

    Queries are left out: they are the client's. A WebSocket has a line when it ends, as status 101.
    """

    def __init__(self, app: ASGIApp, which: Literal["off", "errors", "all"]) -> None:
        self.app = app
        self.which = which

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self.which == "off":
            await self.app(scope, receive, send)
            return
        began, status, request_id = time.monotonic(), 0, ""

        async def listen(message: Message) -> None:
            nonlocal status, request_id
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                request_id = Headers(raw=message.get("headers", [])).get("x-request-id", "")
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self.app(scope, receive, listen)
        finally:
            # 0: the client left before its answer.
            # Programs that wait for the start poll /health many times.
            failed = status >= 400 and scope["path"] != "/health"
            if self.which == "all" or failed:
                log.log(
                    logging.WARNING if status >= 500 else logging.INFO,
                    "%s %s %s %.0fms id=%s app=%s",
                    scope.get("method", "WS"),
                    word(scope["path"][:_LONGEST_PATH], _LONGEST_PATH),
                    status or "-",
                    (time.monotonic() - began) * 1000,
                    request_id or "-",
                    word(app_name(HTTPConnection(scope))) or "-",
                )
