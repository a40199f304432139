"""Responses of real models have the shape of OpenAI's description, each event too.

A stream that is read again is the same, and a conversation goes on after all processes were killed.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.responses.requests import CUSTOM, NAMESPACE, PATH, event, frames
from tests.conformance.test_shapes import SAY, SIZE
from tests.support.openai_shape import check_events, check_shape
from tests.support.system import System

WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "maxLength": 20}},
        "required": ["location"],
        "additionalProperties": False,
    },
    "strict": True,
}
PATCH = r"""
start: "*** Begin" LF line+ "*** End" LF?
line: "+" /[a-c"\\]{1,3}/ LF

%import common.LF
"""
REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {"input": "What is the capital of France?"},
    "messages": {"input": SAY, "instructions": "Be brief."},
    "cut": {"input": SAY, "max_output_tokens": 2},
    "logprobs": {"input": SAY, "top_logprobs": 3, "include": ["message.output_text.logprobs"]},
    "reasoning": {"input": SAY, "enable_thinking": True},
    "a summary": {
        "input": SAY,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    },
    "reasoning that is cut": {"input": SAY, "enable_thinking": True, "max_output_tokens": 3},
    "a call": {"input": "What's the weather in Tokyo?", "tools": [WEATHER]},
    "several tools": {
        "input": "Go",
        "tools": [WEATHER, CUSTOM, NAMESPACE],
        "tool_choice": "required",
        "model": "random",
    },
    "a custom call": {
        "input": "Go",
        "tools": [CUSTOM],
        "tool_choice": {"type": "custom", "name": "run"},
        "model": "random",
    },
    "structure": {
        "input": "Go",
        "model": "random",
        "text": {"format": {"type": "json_schema", "name": "size", "schema": SIZE, "strict": True}},
    },
    "a regex": {
        "input": "Go",
        "model": "random",
        "tools": [{**CUSTOM, "format": {"type": "grammar", "syntax": "regex", "definition": "[ab]{3}x"}}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
    },
    "a grammar": {
        "input": "Go",
        "model": "random",
        "tools": [{**CUSTOM, "format": {"type": "grammar", "syntax": "lark", "definition": PATCH}}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
    },
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_response(system: System, name: str) -> None:
    body = {"model": "tiny-chat", "temperature": 0, "max_output_tokens": 200, **REQUESTS[name]}
    answer = system.http.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    whole = answer.json()
    check_shape("Response", whole)
    streamed = system.http.post(PATH, json={**body, "stream": True})
    assert streamed.status_code == 200, streamed.text
    found = frames(streamed.text)
    events = [event(frame) for frame in found]
    check_events(events)
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    last = events[-1]["response"]
    assert last["status"] == whole["status"]
    assert [_said(item) for item in last["output"]] == [_said(item) for item in whole["output"]]
    again = f"{PATH}/{last['id']}"
    kept = system.http.get(again).json()
    # The record has the worker's time of the end, the stream that of Redis, a moment later.
    assert abs((kept["completed_at"] or 0) - (last["completed_at"] or 0)) <= 1
    assert {**kept, "completed_at": last["completed_at"]} == last
    for number in (0, len(found) // 2, len(found) - 1):
        rest = system.http.get(again, params={"stream": "true", "starting_after": number})
        assert frames(rest.text) == found[number + 1 :]
    if name == "a regex":
        assert last["output"][0]["input"] in {f"{a}{b}{c}x" for a in "ab" for b in "ab" for c in "ab"}
    if name == "a grammar":
        text = last["output"][0]["input"]
        assert re.fullmatch(r'\*\*\* Begin\n(\+[a-c"\\]{1,3}\n)+\*\*\* End\n?', text), text
        assert "not enforced" not in answer.headers["warning"]


def _said(item: dict[str, Any]) -> dict[str, Any]:
    """What does not differ between two responses to one request."""
    return {key: value for key, value in item.items() if key not in ("id", "call_id")}


def test_the_same_prompt_gives_the_same_text_as_a_chat(system: System) -> None:
    sampling = {"model": "random", "seed": 7, "temperature": 1}
    chat = system.http.post(
        "/v1/chat/completions", json={**sampling, "messages": SAY, "max_tokens": 20}
    ).json()
    found = system.http.post(PATH, json={**sampling, "input": SAY, "max_output_tokens": 20}).json()
    assert found["output"][0]["content"][0]["text"] == chat["choices"][0]["message"]["content"]
    assert found["usage"]["input_tokens"] == chat["usage"]["prompt_tokens"]
    assert found["usage"]["output_tokens"] == chat["usage"]["completion_tokens"]


def test_a_conversation_goes_on_when_everything_was_killed(system: System) -> None:
    body = {"model": "tiny-chat", "temperature": 0}
    asked = {**body, "input": "What is the capital of France?", "stream": True}
    whole = frames(system.http.post(PATH, json=asked).text)
    first = event(whole[-1])["response"]
    system.kill_api()
    system.kill_worker()
    system.redis.kill()
    system.redis.start()
    system.start_worker()
    system.start_api()
    system.wait_healthy()
    again = system.http.get(f"{PATH}/{first['id']}", params={"stream": "true", "starting_after": 3})
    assert frames(again.text) == whole[4:]
    following = {**body, "input": "What is the capital of Italy?", "previous_response_id": first["id"]}
    second = system.http.post(PATH, json=following).json()
    assert "Rome" in second["output"][0]["content"][0]["text"]
    assert second["usage"]["input_tokens"] > first["usage"]["total_tokens"]


COUNTED: dict[str, dict[str, Any]] = {
    "a text": {"input": "What is the capital of France?"},
    "instructions": {"input": SAY, "instructions": "Be brief. 🦊"},
    "tools": {"input": SAY, "tools": [WEATHER, CUSTOM, NAMESPACE]},
    "no reasoning": {"input": SAY, "reasoning": {"effort": "none"}},
    "a long one": {"input": "tell me more " * 9_000},
}


@pytest.mark.parametrize("name", COUNTED)
def test_tokens_are_counted_as_they_are_read(system: System, name: str) -> None:
    body = {"model": "tiny-chat", **COUNTED[name]}
    found = system.http.post(f"{PATH}/input_tokens", json=body)
    assert found.status_code == 200, found.text
    check_shape("TokenCountsResource", found.json())
    if name == "a long one":
        assert found.json()["input_tokens"] > 9_000
        return
    answered = system.http.post(PATH, json={**body, "max_output_tokens": 1}).json()
    assert found.json()["input_tokens"] == answered["usage"]["input_tokens"]


def test_tokens_are_counted_while_the_queue_is_busy(system: System) -> None:
    """Claude Code asks for 26 numbers at once; they wait for no answer, and are no jobs."""
    endless = {"model": "tiny-chat", "input": SAY, "ignore_eos": True, "max_output_tokens": 4_000}
    running = [system.http.post(PATH, json={**endless, "background": True}).json()["id"] for _ in range(12)]
    before = system.http.get("/v1/jobs", params={"limit": 100}).json()["data"]
    asked = {"model": "tiny-chat", "input": "foo"}
    with ThreadPoolExecutor(26) as pool:
        answers = list(pool.map(lambda _: system.http.post(f"{PATH}/input_tokens", json=asked), range(26)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["input_tokens"] for answer in answers}) == 1
    assert system.http.get(f"{PATH}/{running[-1]}").json()["status"] in ("queued", "in_progress")
    assert len(system.http.get("/v1/jobs", params={"limit": 100}).json()["data"]) == len(before)
    for each in running:
        system.http.post(f"{PATH}/{each}/cancel")
