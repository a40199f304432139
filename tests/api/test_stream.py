"""A chat as a stream: its frames, its heartbeats, and how it fails."""

import json
import threading
import time
from typing import Any

import httpx
import openai
import pytest

from jobs.errors import ContextLengthExceeded, EngineFailure
from jobs.worker_state import Rest
from tests.api.requests import chat
from tests.support.events import EventType
from tests.support.scripted_worker import Run, ScriptedWorker

#: A prompt whose length is not known at once.
LARGE = "word " * 10_000


def stream(http: httpx.Client, **fields: Any) -> list[str]:
    """The lines of a streamed chat, blank ones left out."""
    with http.stream("POST", "/v1/chat/completions", json=chat(stream=True, **fields)) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [line for line in answer.iter_lines() if line]


def test_a_stream_has_the_parts_that_openai_sends(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.say("Grüße", " \U0001f600", '"\n')
        run.complete('Grüße \U0001f600"\n')

    worker.play(play)
    lines = stream(http)
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith(("data: ", ": ")) for line in lines), "no named events"
    chunks = [json.loads(line[6:]) for line in lines[:-1] if line.startswith("data: ")]
    assert len({(c["id"], c["created"], c["model"], c["object"]) for c in chunks}) == 1
    deltas = [c["choices"][0]["delta"] for c in chunks]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    assert "".join(delta.get("content", "") for delta in deltas) == 'Grüße \U0001f600"\n'
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all("usage" not in c for c in chunks)


def test_the_sdk_streams_with_usage(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    chunks = list(
        sdk.chat.completions.create(
            **chat("one two three"), stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "one two three"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 10
    assert chunks[-1].usage.prompt_tokens_details is not None
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 2
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_an_early_error_is_an_http_error(
    sdk: openai.OpenAI, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.PATIENCE", 20.0)
    worker.play(lambda run: run.fail(ContextLengthExceeded("Too long.")))
    with pytest.raises(openai.BadRequestError, match=r"Too long\."):
        sdk.chat.completions.create(**chat(), stream=True)


def test_a_large_prompt_that_is_read_for_a_while_is_refused_by_the_status(
    http: httpx.Client, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.PATIENCE", 1.5)
    monkeypatch.setattr("api.dispatch.pump.VERDICT", 1000.0)

    def play(run: Run) -> None:
        time.sleep(1.7)  # longer than the stream of a small request waits
        run.fail(ContextLengthExceeded("Too long."))

    worker.play(play)
    refused = http.post("/v1/chat/completions", json=chat(LARGE, stream=True))
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"


def test_a_large_prompt_that_fits_begins_its_stream_when_it_is_known_to(
    http: httpx.Client, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.VERDICT", 1000.0)
    begun = threading.Event()

    def play(run: Run) -> None:
        run.emit(EventType.PROGRESS, done=512, total=9000)
        assert begun.wait(60)
        run.complete("")

    worker.play(play)
    with http.stream("POST", "/v1/chat/completions", json=chat(LARGE, stream=True)) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines)
        begun.set()
        assert "data: [DONE]" in lines


def test_a_large_prompt_that_waits_in_the_queue_begins_its_stream_at_once(
    http: httpx.Client, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.VERDICT", 1000.0)
    worker.play(lambda run: run.complete(""))
    worker.pause()
    with http.stream("POST", "/v1/chat/completions", json=chat(LARGE, stream=True)) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": queued position=1"
        worker.resume()
        assert "data: [DONE]" in lines


def test_a_stream_that_would_wait_streams(http: httpx.Client, worker: ScriptedWorker) -> None:
    answer = http.post("/v1/chat/completions", json=chat(stream=True), headers={"prefer": "wait=5"})
    assert answer.text.endswith("data: [DONE]\n\n")


def test_a_late_error_comes_in_the_stream(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.say("So far")
        run.fail(EngineFailure("It broke."))

    worker.play(play)
    heard: list[str] = []
    answer = sdk.chat.completions.create(**chat(), stream=True)
    with pytest.raises(openai.APIError, match=r"It broke\."):
        heard.extend(chunk.choices[0].delta.content or "" for chunk in answer)
    assert "".join(heard) == "So far"


def test_a_waiting_stream_says_what_it_waits_for(
    http: httpx.Client, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.HEARTBEAT", 0.02)
    stages = {name: threading.Event() for name in ("loading", "generating", "end")}

    def play(run: Run) -> None:
        run.emit(EventType.LOADING, model="tiny")
        assert stages["generating"].wait(60)
        run.emit(EventType.STARTED, attempt=1)
        assert stages["end"].wait(60)
        run.complete("")

    worker.play(play)
    worker.pause()
    with http.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": queued position=1"
        worker.resume()
        assert ": loading model" in lines
        stages["generating"].set()
        assert ": generating" in lines
        stages["end"].set()
        assert "data: [DONE]" in lines


def test_a_stream_says_why_it_can_not_start(
    http: httpx.Client, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.HEARTBEAT", 0.02)
    worker.pause()
    worker.announce(rest=Rest(("hours",), "background work waits until 22:00", 1000.0, 2000.0))
    body = chat(stream=True, service_tier="flex")
    with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        assert ": queued position=1, background work waits until 22:00" in lines
        worker.announce()
        http.post("/v1/queue/pause", params={"queue": "llm"}).raise_for_status()
        assert ": queued position=1, the queue llm is paused" in lines
        http.post("/v1/queue/resume").raise_for_status()
        worker.resume()
        assert "data: [DONE]" in lines


def test_the_sdk_does_not_see_heartbeats(
    sdk: openai.OpenAI, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.HEARTBEAT", 0.02)
    worker.pause()
    answer = iter(sdk.chat.completions.create(**chat("a"), stream=True))
    assert next(answer).choices[0].delta.role == "assistant", "it begins while the job waits"
    worker.resume()
    assert [chunk.choices[0].delta.content for chunk in answer] == ["a", None]


def test_a_rerun_goes_on_where_the_client_is(http: httpx.Client, worker: ScriptedWorker) -> None:
    def die(run: Run) -> None:
        run.say("Hello", " wor")
        run.requeue()

    def again(run: Run) -> None:
        assert run.claim.attempt == 2
        run.say("Hel", "lo world", "!")
        run.complete("Hello world!")

    worker.play(die, again)
    lines = stream(http)
    chunks = [json.loads(line[6:])["choices"][0] for line in lines if line.startswith('data: {"id"')]
    assert "".join(c["delta"].get("content", "") for c in chunks) == "Hello world!"
    assert [c["finish_reason"] for c in chunks].count("stop") == 1
    assert lines[-1] == "data: [DONE]"


@pytest.mark.parametrize("second", ["Help", "Hell"])
def test_a_rerun_that_says_something_else_breaks_the_stream(
    sdk: openai.OpenAI, worker: ScriptedWorker, second: str
) -> None:
    def die(run: Run) -> None:
        run.say("Hello")
        run.requeue()

    def again(run: Run) -> None:
        run.say(second)
        run.complete(second)

    worker.play(die, again)
    answer = sdk.chat.completions.create(**chat(), stream=True)
    heard: list[str] = []
    with pytest.raises(openai.APIError, match="differs from what was streamed"):
        heard.extend(chunk.choices[0].delta.content or "" for chunk in answer)
    assert "".join(heard) == "Hello"


def test_a_rerun_before_the_first_word_is_not_noticed(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.requeue())
    assert stream(http)[-1] == "data: [DONE]"
    assert [run.claim.attempt for run in worker.runs] == [1, 2]


def test_text_that_no_delta_brought_comes_with_the_end(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.say("one ")
        run.complete("one two")

    worker.play(play)
    chunks = [json.loads(line[6:])["choices"][0] for line in stream(http) if line.startswith('data: {"id"')]
    assert "".join(c["delta"].get("content", "") for c in chunks) == "one two"
