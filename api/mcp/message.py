"""A message of a client, as far as it concerns the server: which call it is, and which it cancels.

The arguments of a call, which may have megabytes of base64, are read here, off the event loop, and do not reach the
SDK, which would parse them again on it.
"""

import re
from dataclasses import dataclass

import orjson
from starlette.requests import Request

from api.http.bodies.body import apart, parse_object
from api.http.callers.caller import caller_of
from config.values import JsonObject
from jobs.errors import InvalidRequest
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
    method, params = _checked(sent)
    if params is None:
        return Message(method, raw, {})
    if method == _CANCELS:
        return Message(method, raw, {}, cancels=_name(owner, params.get("requestId")))
    arguments = params.get("arguments")
    if method != _CALLS or not isinstance(arguments, dict):
        return Message(method, raw, {}, call=_name(owner, sent.get("id")))
    body = orjson.dumps({**sent, "params": {**params, "arguments": {}}})
    return Message(method, body, arguments, call=_name(owner, sent.get("id")))


def _checked(sent: JsonObject) -> tuple[str, JsonObject | None]:
    """The method, and its parameters if it has any; '' for a response. Raises InvalidRequest for no message.

    What has an id that is none would be taken for a notification, and its client wait for an answer without end.
    """
    method, params, request_id = sent.get("method"), sent.get("params"), sent.get("id")
    if sent.get("jsonrpc") != "2.0":
        raise _wrong("jsonrpc", "it must be '2.0'")
    if method is None and ("result" in sent or "error" in sent):
        return "", None
    if not isinstance(method, str):
        raise _wrong("method", "it must be a text")
    if "id" in sent and (isinstance(request_id, bool) or not isinstance(request_id, int | str)):
        raise _wrong("id", "it must be a text or a whole number")
    if params is not None and not isinstance(params, dict):
        raise _wrong("params", "it must be an object")
    return method, params


def _wrong(param: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': {reason}.", param=param, code="invalid_value")


def _name(owner: str, request_id: object) -> str | None:
    """1 and "1" are different ids."""
    if not owner or isinstance(request_id, bool) or not isinstance(request_id, int | str):
        return None
    return call_name(owner, repr(request_id))
