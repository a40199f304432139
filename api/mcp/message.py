"""A message of a client, as far as it concerns the server: which call it is, and which it cancels.

The arguments of a call, which may have megabytes of base64, are read here, off the event loop, and do not reach the
SDK, which would parse them again on it.
"""

import re
from dataclasses import dataclass

import orjson
from starlette.requests import Request

from api.http.body import apart, parse_object
from api.http.caller import caller_of
from config.values import JsonObject
from jobs.tool_calls import call_name

#: The header that names the session of a client, and the method that begins one.
SESSION, BEGINS = "mcp-session-id", "initialize"
_CANCELS, _CALLS = "notifications/cancelled", "tools/call"
_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Message:
    """`body` is the message without the `arguments` of a call. `call` names the call that it is, and `cancels` the
    one that it cancels: only calls of clients with a session have names.
    """

    method: str
    body: bytes
    arguments: JsonObject
    call: str | None = None
    cancels: str | None = None

    @property
    def is_cancelling(self) -> bool:
        return self.method == _CANCELS


async def read_message(request: Request) -> Message:
    """Raises InvalidRequest for what is no JSON object."""
    raw = await request.body()
    session = request.headers.get(SESSION, "")
    owner = f"{caller_of(request).owner} {session}" if _TOKEN.fullmatch(session) else ""
    return await apart(len(raw), lambda: _read(raw, owner))


def _read(raw: bytes, owner: str) -> Message:
    sent = parse_object(raw)
    method, params = sent.get("method"), sent.get("params")
    if not isinstance(method, str) or not isinstance(params, dict):
        return Message(method if isinstance(method, str) else "", raw, {})
    if method == _CANCELS:
        return Message(method, raw, {}, cancels=_name(owner, params.get("requestId")))
    arguments = params.get("arguments")
    if method != _CALLS or not isinstance(arguments, dict):
        return Message(method, raw, {}, call=_name(owner, sent.get("id")))
    body = orjson.dumps({**sent, "params": {**params, "arguments": {}}})
    return Message(method, body, arguments, call=_name(owner, sent.get("id")))


def _name(owner: str, request_id: object) -> str | None:
    """1 and "1" are different ids."""
    if not owner or isinstance(request_id, bool) or not isinstance(request_id, int | str):
        return None
    return call_name(owner, repr(request_id))
