"""Which class a request gets: by its body, by its headers, by what it is."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.requests import chat, chunks, completion
from tests.support.scripted_worker import ScriptedWorker

ASYNC = {"prefer": "respond-async"}


def class_of(http: httpx.Client, path: str, body: dict[str, Any], **headers: str) -> str:
    answer = http.post(path, json=body, headers={name.replace("_", "-"): v for name, v in headers.items()})
    assert answer.status_code in (200, 202), answer.text
    shown = http.get(f"/v1/jobs/{answer.headers['x-request-id']}").json()
    return str(shown["service_class"])


#: A request, its headers and its class.
CHATS: list[tuple[dict[str, Any], dict[str, str], str]] = [
    (chat(), {}, "interactive"),
    (chat(stream=True), {}, "interactive"),
    (chat(), ASYNC, "normal"),
    (chat(background=True), {}, "normal"),
    (chat(service_tier="flex"), {}, "background"),
    (chat(service_tier="priority"), ASYNC, "interactive"),
    (chat(service_tier="auto"), {}, "interactive"),
    (chat(service_tier="default"), ASYNC, "normal"),
    (chat(priority="background"), {}, "background"),
    (chat(priority=-1), ASYNC, "interactive"),
    (chat(priority=0), {}, "interactive"),
    (chat(priority=128), {}, "normal"),
    (chat(priority=255), {}, "background"),
    (chat(), {"x_priority": "Background"}, "background"),
    (chat(), {"x_priority": "200"}, "background"),
    (chat(), {"x_fal_queue_priority": "low"}, "background"),
    (chat(), {"x_openwebui_task": "title_generation"}, "background"),
    (chat(), {"x_openwebui_task": "query_generation"}, "interactive"),
    (chat(priority="normal"), {"x_priority": "background"}, "normal"),
    (chat(service_tier="flex"), {"x_priority": "normal"}, "background"),
]
APIS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/completions", completion()),
    ("/v1/responses", {"model": "tiny", "input": "Hello"}),
    ("/v1/messages", {**chat(), "max_tokens": 9}),
    ("/api/chat", {**chat(), "stream": False}),
    ("/v1/models/tiny/generate", {"prompt": "Hello"}),
]
SHAPES: list[tuple[str, Callable[[Any], Any]]] = [
    ("/v1/chat/completions", lambda body: body["error"]["param"]),
    ("/v1/messages", lambda body: body["type"] == "error" and body["error"]["message"]),
    ("/api/chat", lambda body: body["error"]),
]


def test_a_chats_class(http: httpx.Client, worker: ScriptedWorker) -> None:
    for body, headers, expected in CHATS:
        assert class_of(http, "/v1/chat/completions", body, **headers) == expected, (body, headers)


def test_every_api_takes_both_fields(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.announce(model="tiny", state="loaded")
    for path, body in APIS:
        assert class_of(http, path, body) == "interactive"
        assert class_of(http, path, {**body, "service_tier": "flex"}) == "background"
        assert class_of(http, path, {**body, "priority": "normal"}) == "normal"


def test_an_answer_tells_its_tier(http: httpx.Client, worker: ScriptedWorker) -> None:
    def told(path: str, body: dict[str, Any]) -> list[Any]:
        found = http.post(path, json=body).raise_for_status().json()
        return [found.get("service_tier"), found["usage"].get("service_tier")]

    for tier, openais, anthropics in (
        ("auto", "default", "standard"),
        ("flex", "flex", "batch"),
        ("priority", "priority", "priority"),
        ("fast", "priority", "priority"),
    ):
        asked = {"service_tier": tier, "model": "tiny", "max_tokens": 9}
        assert told("/v1/responses", {"model": "tiny", "input": "Hi", "service_tier": tier})[0] == openais
        assert told("/v1/chat/completions", {**chat(), **asked})[0] == openais
        assert told("/v1/messages", {**chat(), **asked})[1] == anthropics
        stream = http.post("/v1/chat/completions", json={**chat(), **asked, "stream": True})
        assert {chunk["service_tier"] for chunk in chunks(stream.text.strip().split("\n\n"))} == {openais}
    assert told("/v1/chat/completions", chat())[0] is None
    assert told("/v1/responses", {"model": "tiny", "input": "Hi"})[0] == "default"
    assert told("/v1/messages", {**chat(), "max_tokens": 9})[1] == "standard"


@pytest.mark.parametrize(("path", "shape"), SHAPES)
def test_an_unknown_class_is_refused_in_the_callers_dialect(
    http: httpx.Client, worker: ScriptedWorker, path: str, shape: Callable[[Any], Any]
) -> None:
    body = {**chat(), "max_tokens": 9, "stream": False}
    for wrong in ({"priority": "urgent"}, {"service_tier": "gold"}, {"priority": 1.5}):
        refused = http.post(path, json={**body, **wrong})
        assert refused.status_code == 400
        assert next(iter(wrong)) in shape(refused.json())
    refused = http.post(path, json=body, headers={"x-priority": "urgent"})
    assert refused.status_code == 400
    assert "x-priority" in shape(refused.json())
    assert worker.runs == []
