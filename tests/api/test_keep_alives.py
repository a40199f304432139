"""A stream begins while its job waits, and shows that it is alive in the way that clients of its dialect count."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import openai
import pytest

from tests.api.conftest import MakeSettings
from tests.api.requests import chat, completion
from tests.support.api_server import ApiServer
from tests.support.events import EventType
from tests.support.scripted_worker import Run, ScriptedWorker


class Door(NamedTuple):
    """`begins`: the beginning of the first line. `alive`: whether a line is a keep-alive that clients count."""

    path: str
    body: dict[str, Any]
    begins: str
    alive: Callable[[str], bool]


def line_is(text: str) -> Callable[[str], bool]:
    return lambda line: line == text


def is_comment(line: str) -> bool:
    return line.startswith(": ")


def is_empty(line: str) -> bool:
    """Of Ollama's lines, one that adds nothing."""
    told = json.loads(line)
    return not told["done"] and told.get("response", "") == "" and not told.get("message", {}).get("content")


HELLO = [{"role": "user", "content": "Hello"}]
DOORS = {
    "chat": Door("/v1/chat/completions", chat(stream=True), "data: {", is_comment),
    "completions": Door("/v1/completions", completion(stream=True), ": queued", is_comment),
    "responses": Door(
        "/v1/responses",
        {"model": "tiny", "input": "Hello", "stream": True},
        "event: response.created",
        line_is("event: response.in_progress"),
    ),
    "messages": Door(
        "/v1/messages",
        {"model": "tiny", "max_tokens": 9, "messages": HELLO, "stream": True},
        "event: message_start",
        line_is("event: ping"),
    ),
    "ollama chat": Door("/api/chat", {"model": "tiny", "messages": HELLO}, '{"model":', is_empty),
    "ollama generate": Door("/api/generate", {"model": "tiny", "prompt": "Hello"}, '{"model":', is_empty),
}


def some(lines: Iterator[str], alive: Callable[[str], bool]) -> None:
    """Read three keep-alives."""
    found = (line for line in lines if line and alive(line))
    for _ in range(3):
        next(found)


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_a_stream_lives_while_its_job_waits(
    door: Door, http: httpx.Client, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.HEARTBEAT", 0.01)
    go = [threading.Event() for _ in range(3)]

    def play(run: Run) -> None:
        run.emit(EventType.DOWNLOADING, done=1, total=4)
        assert go[0].wait(60)
        run.emit(EventType.LOADING, model="tiny")
        assert go[1].wait(60)
        run.emit(EventType.STARTED, attempt=1)
        assert go[2].wait(60)
        run.say("Hello")
        run.complete("Hello")

    worker.play(play)
    worker.pause()
    with http.stream("POST", door.path, json=door.body) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith(door.begins), "it begins in the queue"
        some(lines, door.alive)
        worker.resume()
        assert worker.claimed.acquire(timeout=60)
        for stage in go:
            some(lines, door.alive)
            stage.set()
        rest = "".join(lines)
    assert "Hello" in rest


def test_chats_have_chunks_without_content_where_comments_do_not_count(
    make_settings: MakeSettings, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Qwen Code is one that counts chunks only."""
    monkeypatch.setattr("api.dispatch.pump.HEARTBEAT", 0.01)
    with (
        ApiServer(make_settings(chat_keep_alives="chunks")) as api,
        openai.OpenAI(base_url=f"{api.url}/v1", api_key="any", max_retries=0, timeout=30) as sdk,
    ):
        worker.pause()
        with sdk.chat.completions.stream(**chat("a")) as events:
            seen = (event.chunk.choices[0].delta for event in events if event.type == "chunk")
            assert next(seen).role == "assistant"
            for _ in range(3):
                assert next(seen).to_dict() == {}
            worker.resume()
            list(seen)
            assert events.get_final_completion().choices[0].message.content == "a"
