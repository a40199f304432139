"""Requests of a few bytes that mean many: what they name, repeat or unpack to is counted."""

import asyncio
import base64
import json
import socket
import threading
import zlib
from typing import Any

import httpx
import pytest

from api.http.outgoing.errors import FetchError
from api.http.outgoing.fetch import fetch
from api.inputs import documents
from api.inputs.opaque import opened, sealed
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.api.responses.requests import FUNCTION, PATH, asked, post
from tests.support.api_server import ApiServer
from tests.support.images import Web
from tests.support.scripted_worker import ScriptedWorker

#: Tells a model nothing, and may be long.
PADDING = {"type": "mcp_list_tools", "server_label": "x" * 300_000}
QUESTION = {"role": "user", "content": "Why?"}


def test_an_item_that_is_named_often_counts_each_time(http: httpx.Client, worker: ScriptedWorker) -> None:
    first = post(http, [{"role": "user", "content": "x" * 900_000}])
    name = http.get(f"{PATH}/{first['id']}/input_items").json()["data"][0]["id"]
    few, many = ([{"type": "item_reference", "id": name}] * number for number in (3, 20_000))
    post(http, [*few, QUESTION])
    assert [message["content"][:4] for message in worker.runs[-1].payload["messages"]] == [
        *["xxxx"] * 3,
        "Why?",
    ]
    answer = http.post(PATH, json=asked(many))
    assert answer.status_code == 413, answer.text
    assert "larger than 40 MB" in answer.json()["error"]["message"]


def test_a_conversation_ends_where_it_is_worth_several_bodies(
    make_settings: MakeSettings, worker: ScriptedWorker
) -> None:
    with ApiServer(make_settings(max_body_mb=0.4)) as api, httpx.Client(base_url=api.url) as http:
        previous, taken = None, 0
        while taken < 10:
            answer = http.post(PATH, json=asked([PADDING, QUESTION], previous_response_id=previous))
            if answer.status_code != 200:
                break
            previous, taken = answer.json()["id"], taken + 1
        assert (answer.status_code, answer.json()["error"]["param"]) == (413, "input"), answer.text
        assert taken == 6
        assert len(worker.runs[-1].payload["messages"]) > taken


def test_a_tool_that_is_allowed_often_is_offered_once(http: httpx.Client, worker: ScriptedWorker) -> None:
    named = {"type": "function", "name": "get_weather"}
    post(
        http, tools=[FUNCTION], tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [named] * 500}
    )
    assert [tool["function"]["name"] for tool in worker.runs[-1].payload["tools"]] == ["get_weather"]


@pytest.mark.parametrize("text", ["", "Hm.", "a" * 1_000_000, "é🦊\n" * 5_000, "So it is. " * 40])
def test_sealed_texts_come_back_however_much_they_repeat_themselves(text: str) -> None:
    assert opened(sealed(text)) == text


def test_a_sealed_value_unpacks_to_no_more_than_a_few_times_its_size(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    bomb = "mlxq1." + base64.urlsafe_b64encode(zlib.compress(b"a" * 4_000_000)).decode()
    thought = {"type": "reasoning", "summary": [], "encrypted_content": bomb}
    post(http, [*[thought] * 500, QUESTION])
    assert worker.runs[-1].payload["messages"] == [QUESTION]
    thinking = {"type": "thinking", "thinking": "", "signature": bomb}
    said = {"role": "assistant", "content": [*[thinking] * 500, {"type": "text", "text": "So."}]}
    body = {"model": "tiny", "max_tokens": 4, "messages": [said, QUESTION]}
    assert http.post("/v1/messages", json=body).status_code == 200
    assert worker.runs[-1].payload["messages"] == [{"role": "assistant", "content": "So."}, QUESTION]


@pytest.mark.parametrize(
    ("name", "bound", "reason"),
    [("MOST_TEXT", 20, "more than 20 characters together"), ("LONGEST", 0.0, "it takes too long to read")],
)
def test_the_files_of_a_request_are_bounded_together(
    http: httpx.Client,
    worker: ScriptedWorker,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    bound: Any,
    reason: str,
) -> None:
    monkeypatch.setattr(documents, name, bound)
    file = {"type": "file", "file": {"file_data": base64.b64encode(b"eleven char").decode()}}
    body = chat() | {"messages": [{"role": "user", "content": [file, file]}]}
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], reason in error["message"]) == ("invalid_file", True), error


def test_a_stop_text_is_no_book(http: httpx.Client) -> None:
    doors = {
        "/v1/chat/completions": chat() | {"stop": ["x" * 5_000]},
        "/v1/messages": {
            "model": "tiny",
            "max_tokens": 1,
            "messages": [QUESTION],
            "stop_sequences": ["x" * 5_000],
        },
        "/api/chat": {"model": "tiny", "messages": [QUESTION], "options": {"stop": "x" * 5_000}},
        "/completion": {"model": "tiny", "prompt": "Why?", "stop": ["x" * 5_000]},
    }
    for path, body in doors.items():
        answer = http.post(path, json=body)
        assert (answer.status_code, "4096" in answer.text) == (400, True), (path, answer.text)


@pytest.mark.parametrize("depth", [300, 980, 1_015])
def test_nesting_that_only_some_readers_take_is_refused_at_every_door(http: httpx.Client, depth: int) -> None:
    """Parsers of JSON stop at 1,024 levels, writers at 254, and others where the stack of Python ends."""
    deep = "DEEP"
    item = {"role": "user", "content": "Why?", "x": deep}
    call = {"name": "list_models", "arguments": {}}
    for path, body in {
        PATH: asked(x=deep),
        f"{PATH}/input_tokens": asked([item]),
        "/v1/messages": {"model": "tiny", "max_tokens": 1, "messages": [item]},
        "/api/chat": {"model": "tiny", "messages": [item]},
        "/v1/chat/completions": {"model": "tiny", "messages": [item]},
        "/mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call, "x": deep},
    }.items():
        content = json.dumps(body).replace('"DEEP"', "[" * depth + "]" * depth)
        answer = http.post(path, content=content.encode())
        assert (answer.status_code, "deeper" in answer.text or "JSON" in answer.text) == (400, True), (
            answer.text
        )


async def fetched(address: str, limit: int = 1) -> bytes:
    async with fetch(address, limit=limit, timeout=60, private=True) as data:
        return data


def test_what_is_fetched_is_counted_while_it_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.outgoing.fetch._MOST_HELD", 1000)
    with Web() as web:
        address = web.serve("/large", bytes(800))

        async def story() -> None:
            async with fetch(address, limit=900, timeout=60, private=True) as data:
                assert len(data) == 800
                with pytest.raises(FetchError, match="too much is being fetched"):
                    await fetched(address, 900)
            for _ in range(2):
                with pytest.raises(FetchError, match="larger"):
                    await fetched(address, 700)
            assert len(await fetched(address, 900)) == 800

        asyncio.run(story())


def test_a_name_that_nobody_tells_the_address_of_holds_nothing_else_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked_for, told = threading.Event(), threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[Any]:
        asked_for.set()
        assert told.wait(60)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def story() -> list[BaseException | bytes]:
        waiting = [asyncio.create_task(fetched("http://slow.example/")) for _ in range(40)]
        try:
            assert await asyncio.wait_for(asyncio.to_thread(asked_for.wait, 60), 60)
            assert await asyncio.wait_for(asyncio.to_thread(lambda: "still"), 60) == "still"
        finally:
            told.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert {type(each) for each in asyncio.run(story())} == {FetchError}
