"""Everything that real models answer has the shape of OpenAI's own description of its API, each chunk of it too.

What mlxq adds is named in tests/support/openai_shape.py; any other unknown field fails.
"""

import base64
import json
import os
import struct
from typing import Any

import pytest

from tests.support.minilm import NAME as MINILM
from tests.support.openai_shape import check_chunks, check_shape
from tests.support.system import REPO, System

#: OpenAI's whole description lies beside the clone where mlxq is made.
WHOLE = REPO.parent / "shared" / "openai" / "openapi.json"
EXCERPT = REPO / "tests" / "openai" / "components.json"
#: What the excerpt leaves out: words about a field, not its shape.
PROSE = ("description", "title", "deprecated", "x-oaiMeta", "x-oaiTypeLabel", "x-stainless-const")

SAY: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
ASK_WEATHER: list[Any] = [{"role": "user", "content": "What's the weather in Tokyo?"}]
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "maxLength": 20}},
            "required": ["location"],
            "additionalProperties": False,
        },
    },
}
SIZE = {
    "type": "object",
    "properties": {"width": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["width"],
    "additionalProperties": False,
}
CHATS: dict[str, dict[str, Any]] = {
    "plain": {"messages": SAY},
    "cut": {"messages": SAY, "max_tokens": 2},
    "choices": {"messages": SAY, "n": 3, "model": "random", "max_tokens": 6},
    "logprobs": {"messages": SAY, "logprobs": True, "top_logprobs": 4},
    "logprobs without alternatives": {"messages": SAY, "logprobs": True, "model": "random", "max_tokens": 6},
    "tool call": {"messages": ASK_WEATHER, "tools": [TOOL]},
    "tool not needed": {"messages": SAY, "tools": [TOOL]},
    "calls that are demanded": {
        "messages": SAY,
        "tools": [TOOL],
        "tool_choice": "required",
        "model": "random",
        "max_tokens": 300,
    },
    "call with reasoning": {"messages": ASK_WEATHER, "tools": [TOOL], "enable_thinking": True},
    "reasoning": {"messages": SAY, "enable_thinking": True},
    "reasoning that is cut": {"messages": SAY, "enable_thinking": True, "max_tokens": 3},
    "structure": {
        "messages": SAY,
        "model": "random",
        "response_format": {"type": "json_schema", "json_schema": {"name": "size", "schema": SIZE}},
    },
    "stop": {"messages": SAY, "stop": "Paris"},
    "everything": {
        "messages": SAY,
        "n": 2,
        "logprobs": True,
        "top_logprobs": 2,
        "tools": [TOOL],
        "enable_thinking": True,
        "seed": 1,
        "temperature": 1,
        "max_tokens": 60,
    },
}
COMPLETIONS: dict[str, dict[str, Any]] = {
    "plain": {"prompt": "hello"},
    "several": {"prompt": ["hello", "bye"], "n": 2},
    "tokens": {"prompt": [[72, 105], [72]]},
    "logprobs": {"prompt": "hello", "logprobs": 3},
    "echo": {"prompt": "hello", "logprobs": 2, "echo": True},
}


def post(system: System, path: str, body: dict[str, Any]) -> Any:
    answer = system.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def stream(system: System, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks, after a look that the stream ends as streams end."""
    body = {**body, "stream": True}
    answer = system.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    frames = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert frames.pop() == "[DONE]"
    return [json.loads(frame) for frame in frames]


@pytest.mark.parametrize("name", CHATS)
def test_a_chat(system: System, name: str) -> None:
    body = {"model": "tiny-chat", "temperature": 0, **CHATS[name]}
    whole = post(system, "/v1/chat/completions", body)
    check_shape("CreateChatCompletionResponse", whole)
    for options in ({}, {"stream_options": {"include_usage": True}}):
        chunks = stream(system, "/v1/chat/completions", {**body, **options})
        check_chunks("CreateChatCompletionStreamResponse", chunks)
        assert ("usage" in chunks[-1]) == bool(options)
    assert _finished(chunks) == {choice["index"]: choice["finish_reason"] for choice in whole["choices"]}


def _finished(chunks: list[dict[str, Any]]) -> dict[int, str]:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return {choice["index"]: choice["finish_reason"] for choice in choices if choice["finish_reason"]}


@pytest.mark.parametrize("name", COMPLETIONS)
def test_a_completion(system: System, name: str) -> None:
    body = {"model": "random", "temperature": 0, "max_tokens": 6, **COMPLETIONS[name]}
    check_shape("CreateCompletionResponse", post(system, "/v1/completions", body))
    for options in ({}, {"stream_options": {"include_usage": True}}):
        check_chunks("CreateCompletionResponse", stream(system, "/v1/completions", {**body, **options}))


@pytest.mark.parametrize("sent", ["one text", ["one", "two"], [101, 102], [[101, 2023, 102], [101, 102]]])
def test_embeddings(system: System, sent: Any) -> None:
    body = {"model": MINILM, "input": sent, "dimensions": 8}
    check_shape("CreateEmbeddingResponse", post(system, "/v1/embeddings", body))
    packed = post(system, "/v1/embeddings", {**body, "encoding_format": "base64"})
    for row in packed["data"]:
        # OpenAI's description knows no base64, though its SDKs ask for nothing else.
        row["embedding"] = list(struct.unpack("<8f", base64.b64decode(row["embedding"])))
    check_shape("CreateEmbeddingResponse", packed)


def test_models(system: System) -> None:
    check_shape("ListModelsResponse", system.http.get("/v1/models").json())
    for name in ("tiny-chat", MINILM, "random"):
        check_shape("Model", system.http.get(f"/v1/models/{name}").json())


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", {"model": "tiny-chat", "messages": []}, 400),
        ("/v1/chat/completions", {"model": "nobody", "messages": SAY}, 404),
        ("/v1/completions", {"model": "random", "prompt": "x", "suffix": "y"}, 400),
        ("/v1/embeddings", {"model": MINILM, "input": []}, 400),
        ("/v1/nowhere", {}, 404),
    ],
)
def test_errors(system: System, path: str, body: dict[str, Any], status: int) -> None:
    answer = system.http.post(path, json=body)
    assert answer.status_code == status
    check_shape("ErrorResponse", answer.json())


def test_the_excerpt_is_what_openai_says() -> None:
    if not WHOLE.exists():
        if os.environ.get("CI"):
            raise AssertionError(f"{WHOLE} is not there")
        pytest.skip("OpenAI's whole description is not beside the clone")
    whole = json.loads(WHOLE.read_text())["components"]["schemas"]
    excerpt = json.loads(EXCERPT.read_text())["components"]["schemas"]
    assert excerpt == {name: _without_prose(whole[name]) for name in excerpt}


def _without_prose(schema: Any, *, named: bool = False) -> Any:
    """`named`: the keys are names of fields, which may be called what they like."""
    if isinstance(schema, list):
        return [_without_prose(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if named or key not in PROSE}
    return {
        key: _without_prose(value, named=not named and key == "properties") for key, value in kept.items()
    }
