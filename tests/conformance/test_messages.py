"""Every body and every event of Messages is what the types of Anthropic's SDK say, with nothing beside it."""

import base64
import json
from typing import Any

import pytest
from anthropic.types import Message, MessageTokensCount, ModelInfo, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse

from tests.conformance.test_shapes import SAY, SIZE
from tests.support.pdf import pdf
from tests.support.sdk_types import check_type
from tests.support.system import System

PATH = "/v1/messages"
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Get the current weather",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string", "maxLength": 20}},
        "required": ["location"],
        "additionalProperties": False,
    },
}
ASK: list[Any] = [{"role": "user", "content": "What's the weather in Tokyo?"}]
SHOWN = {"type": "enabled", "budget_tokens": 1024}
REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "cut": {"max_tokens": 2},
    "only read": {"max_tokens": 0},
    "a stop sequence": {"stop_sequences": ["Paris"]},
    "thoughts": {"thinking": SHOWN},
    "thoughts that are not shown": {"thinking": {**SHOWN, "display": "omitted"}},
    "thoughts that are cut": {"thinking": SHOWN, "max_tokens": 3},
    "a call": {"messages": ASK, "tools": [WEATHER]},
    "a call with thoughts": {"messages": ASK, "tools": [WEATHER], "thinking": SHOWN},
    "calls that are demanded": {"model": "random", "tools": [WEATHER], "tool_choice": {"type": "any"}},
    "a structure": {
        "model": "random",
        "output_config": {"format": {"type": "json_schema", "schema": SIZE}},
    },
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_message_and_its_events(system: System, name: str) -> None:
    body = {"model": "tiny-chat", "messages": SAY, "max_tokens": 200, "temperature": 0, **REQUESTS[name]}
    answer = system.http.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    whole = answer.json()
    check_type(Message, whole)
    streamed = system.http.post(PATH, json={**body, "stream": True})
    assert streamed.status_code == 200, streamed.text
    events = []
    for frame in streamed.text.strip().split("\n\n"):
        named, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert named == f"event: {event['type']}"
        if event == {"type": "ping"}:
            continue
        check_type(RawMessageStreamEvent, event)
        events.append(event)
    told = _message(events)
    assert [_said(block) for block in told["content"]] == [_said(block) for block in whole["content"]]
    for field in ("role", "model", "stop_reason", "stop_sequence"):
        assert told[field] == whole[field], field
    assert told["usage"]["output_tokens"] == whole["usage"]["output_tokens"]
    assert _read(told["usage"]) == _read(whole["usage"])


def _message(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What a stream adds up to; its events come in the order that Anthropic documents."""
    start, *middle, end, stop = events
    assert (start["type"], end["type"], stop["type"]) == ("message_start", "message_delta", "message_stop")
    message: dict[str, Any] = start["message"]
    content, inputs, is_open = message["content"], [], False
    for event in middle:
        match event["type"]:
            case "content_block_start":
                assert not is_open
                assert event["index"] == len(content)
                content.append(event["content_block"])
                inputs.append("")
                is_open = True
            case "content_block_delta":
                assert is_open
                assert event["index"] == len(content) - 1
                delta = event["delta"]
                if delta["type"] == "input_json_delta":
                    inputs[-1] += delta["partial_json"]
                else:
                    name = delta["type"].removesuffix("_delta")
                    content[-1][name] += delta[name]
            case "content_block_stop":
                assert is_open
                assert event["index"] == len(content) - 1
                is_open = False
                if content[-1]["type"] == "tool_use":
                    content[-1]["input"] = json.loads(inputs[-1] or "{}")
            case other:
                raise AssertionError(other)
    assert not is_open
    return {**message, **end["delta"], "usage": {**message["usage"], **end["usage"]}}


def _said(block: dict[str, Any]) -> dict[str, Any]:
    """What does not differ between two answers to one request."""
    return {key: value for key, value in block.items() if key not in ("id", "signature")}


def _read(usage: dict[str, Any]) -> int:
    return int(usage["input_tokens"] + usage["cache_read_input_tokens"])


def test_an_answer_goes_on_where_it_was_left(system: System) -> None:
    def said(messages: list[Any]) -> str:
        body = {"model": "tiny-chat", "messages": messages, "max_tokens": 50, "temperature": 0}
        return str(system.http.post(PATH, json=body).raise_for_status().json()["content"][0]["text"])

    whole = said(SAY)
    begun = whole[: whole.rindex(" ")]
    assert begun + said([*SAY, {"role": "assistant", "content": begun}]) == whole
    chat = {
        "model": "tiny-chat",
        "messages": [*SAY, {"role": "assistant", "content": begun}],
        "continue_final_message": True,
        "temperature": 0,
    }
    answer = system.http.post("/v1/chat/completions", json=chat).json()["choices"][0]["message"]
    assert begun + answer["content"] == whole


def test_counts_models_and_errors(system: System) -> None:
    version = {"anthropic-version": "2023-06-01"}
    counted = system.http.post(f"{PATH}/count_tokens", json={"model": "tiny-chat", "messages": SAY})
    check_type(MessageTokensCount, counted.json())
    far_too_long = [{"role": "user", "content": "word " * 200_000}]
    refused = system.http.post(f"{PATH}/count_tokens", json={"model": "tiny-chat", "messages": far_too_long})
    check_type(ErrorResponse, refused.json())
    assert (refused.status_code, "prompt is too long" in refused.text) == (400, True), refused.text
    for model in system.http.get("/v1/models", headers=version).json()["data"]:
        check_type(ModelInfo, model)
        found = model["capabilities"]
        thinks, sees = found["thinking"]["types"]["enabled"], found["image_input"]
        assert (thinks["supported"], sees["supported"]) == (model["id"] == "tiny-chat", False), model
    missing = system.http.post(PATH, json={"model": "nobody", "messages": SAY, "max_tokens": 1})
    assert missing.status_code == 404
    check_type(ErrorResponse, missing.json())
    check_type(ErrorResponse, system.http.post(PATH, json={"model": "tiny-chat"}).json())


def test_a_count_has_the_tokens_of_documents(system: System) -> None:
    data = base64.b64encode(pdf("word " * 50)).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    messages = [{"role": "user", "content": [{"type": "document", "source": source}]}]
    asked = {"model": "tiny-chat", "messages": messages}
    counted = system.http.post(f"{PATH}/count_tokens", json=asked).json()["input_tokens"]
    used = _read(system.http.post(PATH, json={**asked, "max_tokens": 1}).json()["usage"])
    assert counted == used > 50
    part = {"type": "input_file", "file_data": data}
    body = {"model": "tiny-chat", "input": [{"role": "user", "content": [part]}]}
    counted = system.http.post("/v1/responses/input_tokens", json=body).json()["input_tokens"]
    assert counted == system.http.post("/v1/responses", json=body).json()["usage"]["input_tokens"] > 50
