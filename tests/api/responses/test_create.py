"""A response: what it answers and repeats, what its stream consists of, what the model is told and offered."""

import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from jobs.errors import ContextLengthExceeded, EngineFailure
from tests.api.conftest import MakeSettings
from tests.api.responses.requests import (
    FUNCTION,
    NAMESPACE,
    PATH,
    asked,
    calling,
    event,
    frames,
    post,
    stream,
)
from tests.support.api_server import ApiServer
from tests.support.openai_shape import check_events, check_shape
from tests.support.scripted_worker import Run, ScriptedWorker


def test_a_response_has_openais_shape_and_repeats_its_request(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    found = post(
        http,
        "Grüße",
        instructions="Be brief.",
        metadata={"a": "b"},
        tools=[FUNCTION, NAMESPACE],
        temperature=0.5,
    )
    check_shape("Response", found)
    assert found["id"].startswith("resp_")
    assert found["status"] == "completed"
    assert found["completed_at"] >= found["created_at"]
    assert found["output"][0]["content"][0]["text"] == "Grüße"
    assert found["usage"]["input_tokens_details"] == {"cached_tokens": 2, "cache_write_tokens": 0}
    assert (found["instructions"], found["metadata"], found["temperature"]) == ("Be brief.", {"a": "b"}, 0.5)
    assert found["tools"][1] == NAMESPACE
    job = http.get(f"/v1/jobs/{found['id']}").json()
    assert (job["status"], job["kind"]) == ("completed", "response")
    assert job["result"]["output"] == found["output"]


def test_what_is_repeated_is_what_counted(
    make_settings: MakeSettings, model_root: Path, tmp_path: Path, worker: ScriptedWorker
) -> None:
    aliases = tmp_path / "aliases.json"
    brief = {"model": "tiny", "temperature": 0.3, "max_tokens": 7, "reasoning_effort": "low"}
    aliases.write_text(json.dumps({"brief": brief}))
    usual = model_root / "tiny" / "generation_config.json"
    usual.write_text(json.dumps({"do_sample": True, "temperature": 0.6, "top_p": 0.95}))
    (model_root / "org/other" / "generation_config.json").write_text(json.dumps({"do_sample": False}))
    settings = make_settings(alias_file=aliases)
    with ApiServer(settings) as server, httpx.Client(base_url=server.url, timeout=30) as http:

        def sampled(**fields: Any) -> tuple[float, float]:
            found = post(http, **fields)
            return found["temperature"], found["top_p"]

        assert sampled() == (0.6, 0.95)
        assert sampled(temperature=0, top_p=0) == (0, 0)
        assert sampled(model="org/other") == (0, 1)
        assert sampled(model="brief") == (0.3, 0.95)
        found = post(http, model="brief")
    assert (found["max_output_tokens"], found["reasoning"]["effort"]) == (7, "low")


def test_a_stream_has_every_event_in_its_order(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(calling("get_weather", text="Let me see.", reasoning="Hm."))
    events = stream(http, tools=[FUNCTION])
    check_events(events)
    deltas = "response.function_call_arguments.delta"
    names = [each["type"].removeprefix("response.") for each in events if each["type"] != deltas]
    assert names == [
        *("created", "in_progress"),
        *("output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done"),
        *("content_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.done", "output_item.done"),
        "completed",
    ]
    assert "".join(each["delta"] for each in events if each["type"] == deltas) == '{"city":"Ulm"}'
    assert len([each for each in events if each["type"] == deltas]) == 5
    done = [each["item"] for each in events if each["type"] == "response.output_item.done"]
    assert events[-1]["response"]["output"] == done
    assert [item["type"] for item in done] == ["reasoning", "message", "function_call"]
    assert http.get(f"{PATH}/{events[0]['response']['id']}").json() == events[-1]["response"]


def test_thoughts_are_a_summary_where_one_is_wanted(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.tell("Let me ", field="reasoning")
        run.tell("see.", field="reasoning")
        run.say("42")
        run.answer({"text": "42", "reasoning": "Let me see."})

    worker.play(play)
    events = stream(http, reasoning={"effort": "high", "summary": "auto"})
    check_events(events)
    assert events[-1]["response"]["output"][0]["summary"] == [{"type": "summary_text", "text": "Let me see."}]
    assert "content" not in events[-1]["response"]["output"][0]
    assert worker.runs[-1].payload["reasoning_effort"] == "high"
    assert [each["delta"] for each in events if each["type"].endswith("summary_text.delta")] == [
        "Let me ",
        "see.",
    ]


def test_sealed_thoughts_come_back_to_the_model(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.answer({"text": "42", "reasoning": "Ich weiß."}))
    found = post(http, reasoning={"summary": "auto"}, include=["reasoning.encrypted_content"], store=False)
    thought = {**found["output"][0], "summary": []}
    assert "weiß" not in thought["encrypted_content"]
    post(http, [thought, found["output"][1], {"role": "user", "content": "Why?"}])
    assert worker.runs[-1].payload["messages"][0] == {
        "role": "assistant",
        "content": "42",
        "reasoning_content": "Ich weiß.",
    }
    foreign = {**thought, "encrypted_content": "gAAAAAB"}
    post(http, [foreign, {"role": "user", "content": "Why?"}])
    assert worker.runs[-1].payload["messages"] == [{"role": "user", "content": "Why?"}]


def test_a_turn_is_one_message(http: httpx.Client, worker: ScriptedWorker) -> None:
    """Ids that this server never gave, items without a type, results as parts."""
    post(
        http,
        [
            {"role": "developer", "content": "Rules."},
            {
                "type": "message",
                "role": "user",
                "id": "msg_x",
                "content": [{"type": "input_text", "text": "Hi"}],
            },
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "Hm."}],
            },
            {"role": "assistant", "id": "msg_y", "content": [{"type": "output_text", "text": "Wait."}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "g", "namespace": "n", "arguments": '{"a":1}'},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {
                "type": "function_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "two"}],
            },
        ],
        instructions="First.",
    )
    call = {"type": "function"}
    assert worker.runs[-1].payload["messages"] == [
        {"role": "system", "content": "First."},
        {"role": "system", "content": "Rules."},
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": "Wait.",
            "reasoning_content": "Hm.",
            "tool_calls": [
                {**call, "id": "c1", "function": {"name": "f", "arguments": "{}"}},
                {**call, "id": "c2", "function": {"name": "n__g", "arguments": '{"a":1}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
    ]


def test_a_schema_is_enforced(http: httpx.Client, worker: ScriptedWorker) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    form = {"type": "json_schema", "name": "x", "schema": schema, "strict": True}
    found = post(http, text={"format": form, "verbosity": "low"})
    check_shape("Response", found)
    assert worker.runs[-1].payload["grammar"]["json_schema"] == schema
    assert found["text"] == {"format": form, "verbosity": "low"}
    post(http, tools=[{**FUNCTION, "strict": True}])
    assert worker.runs[-1].payload["tools"][0]["function"]["strict"] is True


def test_what_was_cut_is_incomplete(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.say("So fa")
        run.complete("So fa", finish_reason="length")

    worker.play(play, play)
    events = stream(http, max_output_tokens=2)
    check_events(events)
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"
    found = post(http, max_output_tokens=2)
    assert (found["status"], found["output"][0]["status"]) == ("incomplete", "incomplete")


def test_log_probabilities(http: httpx.Client, worker: ScriptedWorker) -> None:
    token = {"token": "Hi", "bytes": [72, 105], "logprob": -0.5}

    def play(run: Run) -> None:
        run.tell("Hi", logprobs=[{**token, "top": [token]}])
        run.answer({"text": "Hi", "logprobs": [{**token, "top": [token]}]})

    worker.play(play, play)
    events = stream(http, include=["message.output_text.logprobs"], top_logprobs=1)
    check_events(events)
    assert worker.runs[-1].payload["logprobs"] == 1
    whole = post(http, top_logprobs=1)["output"][0]["content"][0]["logprobs"]
    assert whole == events[-1]["response"]["output"][0]["content"][0]["logprobs"]
    assert whole == [{**token, "top_logprobs": [token]}]


def test_an_error_before_the_first_token_is_a_status(
    http: httpx.Client, sdk: openai.OpenAI, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.PATIENCE", 20.0)
    worker.play(lambda run: run.fail(ContextLengthExceeded("Too long.")))
    with pytest.raises(openai.BadRequestError, match=r"Too long\.") as raised:
        sdk.responses.create(model="tiny", input="Hello", stream=True)
    assert raised.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError) as missing:
        sdk.responses.create(model="nobody", input="Hello", stream=True)
    assert missing.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineFailure("It broke."), "server_error"),
        (ContextLengthExceeded("Long."), "context_length_exceeded"),
    ],
)
def test_a_later_one_is_an_event(http: httpx.Client, worker: ScriptedWorker, error: Any, code: str) -> None:
    def play(run: Run) -> None:
        run.say("So far")
        run.fail(error)

    worker.play(play)
    events = stream(http)
    check_events(events)
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"] == {"code": code, "message": error.message}
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "So far"
    stored = http.get(f"{PATH}/{events[0]['response']['id']}").json()
    assert (stored["status"], stored["error"]) == ("failed", events[-1]["response"]["error"])


def test_keep_alives_are_events_with_the_number_of_the_last(
    http: httpx.Client, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    monkeypatch.setattr("api.dispatch.pump.HEARTBEAT", 0.02)
    go = threading.Event()

    def play(run: Run) -> None:
        run.say("So")
        go.wait(60)
        run.complete("So")

    worker.play(play)
    text = ""
    with http.stream("POST", PATH, json=asked(stream=True)) as answer:
        for chunk in answer.iter_text():
            text += chunk
            if text.count("event: response.in_progress") > 3:
                go.set()
    numbers = [event(frame)["sequence_number"] for frame in text.split("\n\n") if frame.startswith("event")]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(max(numbers) + 1))
    assert len(numbers) > len(set(numbers))
    assert [event(frame)["sequence_number"] for frame in frames(text)] == list(range(max(numbers) + 1))
    assert ": " in text


def test_a_full_queue_says_when_to_come_again(make_settings: MakeSettings) -> None:
    """Codex gives up at a 429 without `Retry-After`."""
    with ApiServer(make_settings(queue_limit=1)) as api, httpx.Client(base_url=api.url) as http:
        post(http, background=True)
        for stream in (False, True):
            answer = http.post(PATH, json=asked("Another", stream=stream))
            assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
            check_shape("ErrorResponse", answer.json())
