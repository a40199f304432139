"""LiteLLM with its `openai/` provider: chat, streams, tools, structured output, embeddings, text completion."""

# The libraries are not in the environment that mypy looks into.
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"

import asyncio
import json
from typing import Any

import litellm
import pytest
from pydantic import BaseModel

from tests.clients.suites.server import CHAT, DIMENSIONS, EMBEDDING, KEY, RANDOM, URL
from tests.clients.suites.stories import CAPITAL, WEATHER, WEATHER_TOOL

SERVER: dict[str, Any] = {"api_base": URL, "api_key": KEY, "max_retries": 0}
MODEL: dict[str, Any] = {"model": f"openai/{CHAT}", "temperature": 0, **SERVER}


def test_completion() -> None:
    answer = litellm.completion(messages=CAPITAL, **MODEL)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_stream_with_usage() -> None:
    chunks = list(
        litellm.completion(messages=CAPITAL, stream=True, stream_options={"include_usage": True}, **MODEL)
    )
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert litellm.stream_chunk_builder(chunks).usage.completion_tokens > 0


async def test_acompletion_many_at_once() -> None:
    answers = await asyncio.gather(*(litellm.acompletion(messages=CAPITAL, **MODEL) for _ in range(8)))
    assert all("Paris" in answer.choices[0].message.content for answer in answers)


async def test_async_stream() -> None:
    stream = await litellm.acompletion(messages=CAPITAL, stream=True, **MODEL)
    assert "Paris" in "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def test_a_tool_is_called_and_its_result_told() -> None:
    asked = litellm.completion(messages=WEATHER, tools=[WEATHER_TOOL], **MODEL).choices[0]
    assert asked.finish_reason == "tool_calls"
    (call,) = asked.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"location": "Tokyo"}
    result = {
        "role": "tool",
        "tool_call_id": call.id,
        "content": '{"temperature": 22, "conditions": "sunny"}',
    }
    told = litellm.completion(messages=[*WEATHER, asked.message, result], tools=[WEATHER_TOOL], **MODEL)
    assert "22" in told.choices[0].message.content


def test_a_streamed_tool_call() -> None:
    stream = litellm.completion(messages=WEATHER, tools=[WEATHER_TOOL], stream=True, **MODEL)
    built = litellm.stream_chunk_builder(list(stream)).choices[0]
    (call,) = built.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"location": "Tokyo"})
    assert built.finish_reason == "tool_calls"


@pytest.mark.parametrize("model", [CHAT, RANDOM])
@pytest.mark.parametrize(
    "tool_choice", ["required", {"type": "function", "function": {"name": "get_weather"}}]
)
def test_a_tool_call_is_enforced(model: str, tool_choice: Any) -> None:
    asked = litellm.completion(
        model=f"openai/{model}",
        messages=[{"role": "user", "content": "Hello!"}],
        tools=[WEATHER_TOOL],
        tool_choice=tool_choice,
        parallel_tool_calls=False,
        max_tokens=400,
        **SERVER,
    )
    (call,) = asked.choices[0].message.tool_calls
    assert call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments)["location"], str)


class Size(BaseModel):
    width: int
    height: int
    unit: bool


def test_response_format_of_a_pydantic_model() -> None:
    answer = litellm.completion(
        model=f"openai/{RANDOM}", messages=CAPITAL, response_format=Size, seed=1, max_tokens=400, **SERVER
    )
    Size.model_validate_json(answer.choices[0].message.content)


def test_embeddings() -> None:
    answer = litellm.embedding(model=f"openai/{EMBEDDING}", input=["one text", "another"], **SERVER)
    assert [len(row["embedding"]) for row in answer.data] == [DIMENSIONS] * 2
    assert answer.usage.prompt_tokens > 0


async def test_aembedding() -> None:
    answer = await litellm.aembedding(model=f"openai/{EMBEDDING}", input="one text", **SERVER)
    assert len(answer.data[0]["embedding"]) == DIMENSIONS


def test_text_completion() -> None:
    answer = litellm.text_completion(
        model=f"text-completion-openai/{CHAT}", prompt="The capital of", max_tokens=4, temperature=0, **SERVER
    )
    assert isinstance(answer.choices[0].text, str)
    assert answer.usage.completion_tokens <= 4


def test_errors_are_litellms_own() -> None:
    with pytest.raises(litellm.BadRequestError, match="temperature"):
        litellm.completion(model=f"openai/{CHAT}", messages=CAPITAL, temperature=5, **SERVER)
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(model="openai/nobody-there", messages=CAPITAL, **SERVER)
