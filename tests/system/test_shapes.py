"""What the whole product answers has the shape that OpenAI's public description of its API gives it."""

import json
from typing import Any

import pytest

from tests.api.requests import WEATHER
from tests.support.openai_shape import check_chunks, check_shape
from tests.support.system import System

MESSAGES = [{"role": "user", "content": "hello there"}]
SCHEMA = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}
CHATS: dict[str, dict[str, Any]] = {
    "plain": {},
    "choices with probabilities": {"n": 2, "logprobs": True, "top_logprobs": 3},
    "tools": {"tools": [WEATHER], "tool_choice": "required", "max_tokens": 60},
    "a schema": {"response_format": {"type": "json_object", "schema": SCHEMA}},
    "reasoning": {"enable_thinking": True},
}
COMPLETIONS: dict[str, dict[str, Any]] = {
    "plain": {"prompt": "hello"},
    "echoed choices of prompts": {"prompt": ["hello there", "all"], "n": 2, "echo": True, "logprobs": 3},
    "tokens": {"prompt": [[5, 6], [7]], "best_of": 1},
}


def streamed(system: System, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    body = {**body, "stream": True, "stream_options": {"include_usage": True}}
    with system.http.stream("POST", path, json=body) as answer:
        assert answer.status_code == 200, answer.read()
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines.pop() == "data: [DONE]"
    return [json.loads(line[6:]) for line in lines]


@pytest.mark.parametrize("fields", CHATS.values(), ids=CHATS.keys())
def test_chats(system: System, fields: dict[str, Any]) -> None:
    body = {"model": "first", "messages": MESSAGES, "max_tokens": 12, **fields}
    answer = system.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    check_shape("CreateChatCompletionResponse", answer.json())
    check_chunks("CreateChatCompletionStreamResponse", streamed(system, "/v1/chat/completions", body))


@pytest.mark.parametrize("fields", COMPLETIONS.values(), ids=COMPLETIONS.keys())
def test_completions(system: System, fields: dict[str, Any]) -> None:
    body = {"model": "first", "max_tokens": 6, **fields}
    answer = system.http.post("/v1/completions", json=body)
    assert answer.status_code == 200, answer.text
    check_shape("CreateCompletionResponse", answer.json())
    check_chunks("CreateCompletionResponse", streamed(system, "/v1/completions", body))


def test_models_and_errors(system: System) -> None:
    models = system.http.get("/v1/models").json()
    check_shape("ListModelsResponse", models)
    assert models["data"]
    for model in models["data"]:
        check_shape("Model", model)
    check_shape("ErrorResponse", system.http.get("/v1/nix").json())
