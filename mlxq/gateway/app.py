"""The HTTP side of the gateway: joining, and the routes of what joined workers need beside Redis.

It knows who asks (`session_of`). What the other routes do, their own modules know.
"""

import asyncio
import base64
import logging
from collections.abc import Sequence

import msgspec
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from config import VERSION
from jobs.errors import InvalidRequest, MlxqError, ServiceUnavailable, Unauthorized
from jobs.protocol import protocol
from jobs.refused import forget_refusal, note_refusal
from mlxq.gateway import shapes
from mlxq.gateway.guard import Guard
from mlxq.gateway.sessions import Joined

log = logging.getLogger(__name__)

#: Bytes of a request to join, and seconds for them.
_LONGEST, _PATIENCE = 4096, 10.0
_requests = msgspec.json.Decoder(shapes.Request)


class WrongProtocol(MlxqError):
    """The worker's version does not fit."""

    status = 409
    code = "wrong_version"


def create_app(guard: Guard, redis_port: int, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """`redis_port`: where the Redis side listens. `routes`: further ones, whose requests may use `session_of`."""
    app = Starlette(
        routes=[Route("/join", _place), Route("/join", _join, methods=["POST"]), *routes],
        exception_handlers={MlxqError: _refuse, HTTPException: _no_route, RedisError: _no_redis},
    )
    app.state.guard = guard
    app.state.redis_port = redis_port
    return app


async def session_of(request: Request) -> Joined:
    """The session of who asks. Raises Unauthorized, and RedisError."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    joined = None
    if scheme.lower() == "basic":
        try:
            worker, _, token = base64.b64decode(text, validate=True).decode("ascii").partition(":")
        except ValueError:
            worker = token = ""
        guard: Guard = request.app.state.guard
        joined = await guard.check(worker, token)
    if joined is None:
        raise Unauthorized("This worker has not joined, or its key was revoked.")
    return joined


def place(guard: Guard, redis_port: int) -> shapes.Place:
    return shapes.Place(redis_port - 1, redis_port, VERSION, protocol())


async def _place(request: Request) -> Response:
    return _json(place(request.app.state.guard, request.app.state.redis_port))


async def _join(request: Request) -> Response:
    """A session for who has a key, if its version fits."""
    guard: Guard = request.app.state.guard
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    try:
        asked = _requests.decode(await _body(request))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("This is no request to join.") from None
    opened = await guard.open(key, asked.host, asked.pid) if scheme.lower() == "bearer" else None
    if opened is None:
        raise Unauthorized("The key is not valid here, or it was revoked.")
    joined, token = opened
    if asked.protocol != protocol():
        reason = (
            f"The server is mlxq {VERSION} (protocol {protocol()}), this worker is mlxq {asked.version} (protocol "
            f"{asked.protocol}): install the same version on both."
        )
        await note_refusal(guard.redis, joined.host, asked.version[:64], reason)
        raise WrongProtocol(reason)
    await forget_refusal(guard.redis, joined.host)
    log.info("%s joins with the key %s", joined.worker, joined.key)
    return _json(
        shapes.Welcome(
            joined.worker, token, request.app.state.redis_port, VERSION, shapes.agreed(guard.settings)
        )
    )


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _LONGEST:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408) from None
    return body


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, MlxqError)
    return _json({"error": error.fields()}, error.status)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json({"error": {"message": error.detail, "code": None}}, error.status_code)


async def _no_redis(request: Request, error: Exception) -> Response:
    return await _refuse(request, ServiceUnavailable("Redis is out of reach.", retry_after=2))
