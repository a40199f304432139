"""Holds what an application sends against what its own `/openapi.json` says of it.

Schemas are closed here: a field that no schema names is a fault too. Bytes, large bodies and WebSockets pass.
"""

import copy
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import orjson
from fastapi import FastAPI
from jsonschema import Draft202012Validator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.app import create_app
from api.http.routes.addresses import Addresses
from config.settings import Settings

#: Bytes of a body that is looked at. Vectors are many numbers.
_LARGEST = 200_000
_JSON, _EVENTS, _LINES = "application/json", "text/event-stream", "application/x-ndjson"
_PARAMETER = re.compile(r"\{[^}]*\}")


class Described:
    """An application whose answers are checked on their way. `faults` has what did not fit."""

    def __init__(self, app: ASGIApp, addresses: Addresses) -> None:
        self.faults: list[str] = []
        self._app = app
        self._addresses = addresses
        description()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], self._addresses.plain(scope["path"])
        start: Message | None = None
        body = bytearray()

        async def watch(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            elif message["type"] == "http.response.body" and len(body) <= _LARGEST:
                body.extend(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            if start is not None and len(body) <= _LARGEST:
                headers = Headers(raw=start["headers"])
                content_type = headers.get("content-type", "")
                self.faults += [
                    f"{method} {path} {start['status']}: {fault}"
                    for fault in faults(method, path, start["status"], content_type, bytes(body))
                ]


def check_described(response: httpx.Response) -> None:
    """For a client's hooks: what it gets in JSON is as described. Streams are left to their readers."""
    if response.headers.get("content-type") != _JSON:
        return
    request = response.request
    found = list(faults(request.method, request.url.path, response.status_code, _JSON, response.read()))
    assert not found, found


def faults(method: str, path: str, status: int, content_type: str, body: bytes) -> Iterator[str]:
    """What of an answer is not as described."""
    operation = _operation(method, path)
    if operation is None:
        # Addresses that are not described, such as the description's own, and those that do not exist.
        if status >= 400 and content_type == _JSON:
            yield from _body_faults(_errors(path), orjson.loads(body))
        return
    answers = operation["responses"]
    if status < 400 and list(answers) == ["default"]:
        # A method that is not described, such as the old servers' DELETE of a job.
        return
    answer = answers.get(str(status), answers["default"])
    if not body and "content" not in answer:
        return
    content = answer.get("content", {})
    media = content.get(content_type) or content.get(content_type.partition(";")[0]) or content.get("*/*")
    if media is None:
        yield f"'{content_type}' is not described"
    elif content_type == _JSON:
        yield from _body_faults(media["schema"], orjson.loads(body))
    elif content_type == _LINES:
        for line in body.splitlines():
            yield from _body_faults(media["schema"], orjson.loads(line))
    elif content_type.startswith(_EVENTS):
        # A stream that was cut off has a part of an event at its end.
        for frame in body.split(b"\n\n")[:-1]:
            for line in frame.splitlines():
                if line.startswith(b"data: ") and line != b"data: [DONE]":
                    yield from _event_faults(media["schema"], orjson.loads(line[6:]))


def _body_faults(schema: dict[str, Any], body: Any) -> Iterator[str]:
    """None if the body is one of those that an address answers with: two dialects may share it."""
    found = [list(_faults(each["$ref"], body)) for each in schema.get("anyOf", [schema])]
    yield from min(found, key=len)


def _event_faults(schema: dict[str, Any], event: Any) -> Iterator[str]:
    references = [each["$ref"] for each in schema["anyOf"]]
    found = [list(_faults(reference, event)) for reference in references]
    if all(found):
        yield from found[1 if "error" in event and len(event) == 2 else 0]


def _faults(reference: str, value: Any) -> Iterator[str]:
    for error in _validator(reference).iter_errors(value):
        detail = "; ".join(each.message[:200] for each in error.context or ())
        yield f"{error.json_path}: {error.message[:300]} {detail[:600]}"


@cache
def _validator(reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference, "components": _closed_components()})


@cache
def _closed_components() -> dict[str, Any]:
    components: dict[str, Any] = copy.deepcopy(description()["components"])
    _close(components["schemas"])
    return components


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for each in schema.values():
            _close(each)
    elif isinstance(schema, list):
        for each in schema:
            _close(each)


@cache
def _app() -> FastAPI:
    """What it describes is the same under all settings."""
    return create_app(Settings())


@cache
def description() -> dict[str, Any]:
    return _app().openapi()


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for pattern, template in _templates():
        found: dict[str, Any] = description()["paths"][template]
        if pattern.fullmatch(path) and method.lower() in found:
            operation: dict[str, Any] = found[method.lower()]
            return operation
    return None


def _errors(path: str) -> dict[str, Any]:
    """The schema of errors at an address that does not know a method: that of its others, or of its neighbours."""
    for pattern, template in _templates():
        if pattern.fullmatch(path):
            operation: Any = next(iter(description()["paths"][template].values()))
            schema: dict[str, Any] = operation["responses"]["default"]["content"][_JSON]["schema"]
            return schema
    addresses: Addresses = _app().state.addresses
    # A dialect that is told by a header answers in its own shape, wherever.
    dialects = {addresses.dialect(path, "GET"), *(each for each in addresses.dialects if each.mark)}
    return {"anyOf": [{"$ref": f"#/components/schemas/{each.error_type.__name__}"} for each in dialects]}


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """Literal paths first; a model's name may have slashes."""
    paths = sorted(description()["paths"], key=lambda path: (len(_PARAMETER.findall(path)), -len(path)))
    return [(_pattern(path), path) for path in paths]


def _pattern(path: str) -> re.Pattern[str]:
    literals = map(re.escape, _PARAMETER.split(path))
    return re.compile(("(?s:.*)" if "{name}" in path else "[^/]*").join(literals))
