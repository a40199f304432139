"""Turns errors into HTTP responses, in the dialect of the request's route.

Every error, expected or not, passes `to_error` and then `error_response`, or the dialect's frame when the response
has already begun.
"""

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.answers.disconnect import ClientGone
from api.http.answers.validation import invalid
from api.http.routes.addresses import addresses_of
from api.http.routes.dialect import Dialect
from jobs.errors import (
    MAX_RETRY_AFTER,
    InvalidRequest,
    MlxqError,
    NotFound,
    ServiceUnavailable,
    disk_full,
    is_disk_full,
)

log = logging.getLogger(__name__)

#: The OpenAI SDKs retry these unless they are told not to. A retry would only waste GPU time.
_NEVER_RETRY = (409, 501, 504, 507)
_WAIT_FIRST = (429, 503)


class Unsupported(MlxqError):
    """The path exists, the method does not (405), or the like: what Starlette's router finds out."""

    type = "invalid_request_error"


class ErrorResponse(Response):
    """Written in the dialect of the route that the request has, when it is sent."""

    def __init__(self, error: MlxqError, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=error.status)
        self._error = error
        self._extra = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        addresses = addresses_of(scope)
        dialect = addresses.dialect(scope["path"], scope.get("method", ""), scope.get("headers", ()))
        response = written(self._error, dialect, scope.get("state", {}).get("request_id", ""), self._extra)
        await response(scope, receive, send)


def error_response(error: MlxqError, headers: Mapping[str, str] | None = None) -> Response:
    """The response for an error of a request to the application."""
    return ErrorResponse(error, headers or {})


def written(
    error: MlxqError, dialect: Dialect, request_id: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """The response in this dialect."""
    extra = {**(headers or {}), **dialect.error_headers(error, request_id)}
    if error.status in _WAIT_FIRST:
        extra["retry-after"] = str(max(1, min(MAX_RETRY_AFTER, error.retry_after or 1)))
    # An unreachable hub stays so for a while: a retry does not help.
    if error.status in _NEVER_RETRY or error.code == "hub_unavailable":
        extra["x-should-retry"] = "false"
    if error.status == HTTPStatus.UNAUTHORIZED:
        extra["www-authenticate"] = "Bearer"
    body = orjson.dumps(dialect.error_body(error, request_id))
    return Response(body, dialect.error_status(error), headers=extra, media_type="application/json")


def to_error(error: Exception) -> MlxqError:
    """Any exception as an error for the client. Unexpected ones are logged and not shown."""
    match error:
        case MlxqError():
            return error
        case RequestValidationError():
            # FastAPI puts the place ("query", "path") before the name.
            errors = [{**each, "loc": each["loc"][1:]} for each in error.errors()]
            return invalid(errors)  # type: ignore[arg-type]  # FastAPI hands on pydantic's
        case HTTPException():
            return _from_starlette(error)
        case ClientDisconnect():
            return ClientGone("The client has left.")
        case RedisError():
            return ServiceUnavailable("The job queue is out of reach. Try again in a moment.", retry_after=2)
        case _ if is_disk_full(error):
            log.error("the disk is full", exc_info=error)
            return disk_full()
        case _:
            log.error("unexpected %s", type(error).__name__, exc_info=error)
            return MlxqError("The server made a mistake; its log says more.")


def _from_starlette(error: HTTPException) -> MlxqError:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("There is nothing at this address.", param=None)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer: MlxqError = Unsupported("This address does not know the method.")
        answer.code = "method_not_allowed"
    elif error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        answer = InvalidRequest(str(error.detail))
    else:
        answer = MlxqError("The server made a mistake; its log says more.")
    answer.status = error.status_code
    return answer


def stopping() -> MlxqError:
    return ServiceUnavailable("The server stops; the job goes on. Send the request again.", retry_after=2)


async def handle(request: Request, error: Exception) -> Response:
    """For FastAPI's table of exception handlers."""
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    shown = to_error(error)
    if shown.status == HTTPStatus.METHOD_NOT_ALLOWED:
        # Starlette knows the first route of a path only.
        headers = {"Allow": addresses_of(request.scope).allow(request.scope["path"])}
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    return error_response(shown, headers)


class ErrorBoundary:
    """Turns exceptions of the application into a response, or closes the connection if one had begun."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except asyncio.CancelledError:
            # The server is stopping. A retry reaches the next one, and finds its job.
            if not started:
                await error_response(stopping())(scope, receive, send)
        except Exception as error:
            answer = to_error(error)
            if not started:
                await error_response(answer)(scope, receive, send)
