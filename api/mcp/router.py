"""`POST /mcp`: the Model Context Protocol over streamable HTTP.

Sessions are names that clients send along, and hold nothing: all that is known of a call is its job, in Redis. So any
API process answers any request, and cancels any call.
"""

import asyncio
import contextlib
import importlib
import secrets
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send

from api.dispatch.resource import Resource
from api.http.callers.caller import Rights, caller_of
from api.http.context import context_of, jobs_of
from api.http.openapi import gives, gives_nothing, streams, takes
from api.mcp.call import ToolCall
from api.mcp.content import Content
from api.mcp.dialect import MCP
from api.mcp.message import BEGINS, SESSION, Message, read_message
from api.mcp.progress import Tell
from api.mcp.schema import McpMessage, McpRequest
from config.settings import Settings
from jobs.blobs import Uploads
from jobs.errors import Conflict, InvalidRequest, JobNotFound
from jobs.tool_calls import job_of

router = APIRouter(tags=["mcp"])

#: Number of the largest images that a body has room for.
_PICTURES = 5
_ANSWERS = ("application/json", "text/event-stream")


class NotAcceptable(InvalidRequest):
    """What the client accepts is not what the server sends."""

    status = 406
    code = "not_acceptable"


@router.post(
    "/mcp",
    summary="The Model Context Protocol",
    response_class=Response,
    openapi_extra=takes(McpRequest)
    | gives(McpMessage)
    | streams(McpMessage)
    | gives_nothing("The notification was accepted", 202),
)
async def mcp(request: Request) -> Response:
    """For programs of this machine, for keys, and for pages of `CORS_ORIGINS`."""
    caller_of(request).need(Rights.USE_ANY)
    _check_accepted(request)
    message = await read_message(request)
    if message.is_cancelling:
        await _cancel(request, message)
        return Response(status_code=202)
    return _Exchange(request, message)


def _check_accepted(request: Request) -> None:
    """Raises NotAcceptable: an answer is JSON or a stream, as the server chooses."""
    accepted = request.headers.get("accept", "*/*").lower()
    if "*/*" not in accepted and not all(each in accepted for each in _ANSWERS):
        raise NotAcceptable(f"'Accept' must have both {' and '.join(_ANSWERS)}.", param="Accept")


async def _cancel(request: Request, message: Message) -> None:
    """A call that is not known has ended."""
    jobs = jobs_of(request)
    job_id = None if message.cancels is None else await job_of(jobs.redis, message.cancels)
    if job_id is not None:
        with contextlib.suppress(JobNotFound, Conflict):
            await jobs.cancel(job_id)


@dataclass(frozen=True, slots=True)
class _Tools:
    """Calls tools for one request."""

    request: Request
    message: Message

    async def __call__(self, name: str, tell: Tell) -> list[Content]:
        from api.mcp.tools import TOOLS

        tool = TOOLS[name]
        tool.arguments.check(self.message.arguments)
        uploads: Uploads = self.request.state.uploads
        try:
            return await tool.run(ToolCall(self.request, self.message.arguments, tell, self.message.call))
        finally:
            await asyncio.to_thread(uploads.discard)


class _Exchange(Response):
    """The response that the SDK writes.

    It is given the message and then nothing more: that its client leaves, a call finds out for itself.
    """

    def __init__(self, request: Request, message: Message) -> None:
        super().__init__()
        self._request, self._message = request, message

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What is loaded for the first client takes a while; others are served meanwhile.
        server = await asyncio.to_thread(importlib.import_module, "api.mcp.server")
        body = self._message.body
        state = {**scope["state"], "uploads": Uploads(context_of(self._request).blobs)}
        own = {**scope, "state": state, "headers": _headers(scope, body)}
        unread: list[AsgiMessage] = [{"type": "http.request", "body": body, "more_body": False}]

        async def once() -> AsgiMessage:
            if unread:
                return unread.pop()
            await asyncio.Event().wait()
            raise AssertionError

        async def answer(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start" and self._message.method == BEGINS:
                MutableHeaders(scope=message)[SESSION] = secrets.token_hex(16)
            await send(message)

        tools = _Tools(Request({**scope, "state": state}, receive), self._message)
        await server.exchange(tools, own, once, answer)


def _headers(scope: Scope, body: bytes) -> list[tuple[bytes, bytes]]:
    """Those of the request, for the body that the SDK gets: JSON, whatever it was called."""
    told = {
        b"accept": ", ".join(_ANSWERS).encode(),
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(body),
    }
    return [*(pair for pair in scope["headers"] if pair[0] not in told), *told.items()]


def _files(settings: Settings) -> int:
    return max(settings.max_image_bytes * _PICTURES, settings.max_audio_bytes)


RESOURCE = Resource(MCP, routers=(router,), large={"/mcp": _files})
