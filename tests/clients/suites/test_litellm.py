"""LiteLLM by its routes `openai/`, `anthropic/` and `ollama_chat/`, and by `responses`: streams, tools, schemas."""

# The libraries are not in the environment that mypy looks into.
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"

import asyncio
import json
from typing import Any

import litellm
import pytest
from pydantic import BaseModel

from tests.clients.suites.server import CHAT, DIMENSIONS, EMBEDDING, KEY, RANDOM, ROOT, URL
from tests.clients.suites.stories import CAPITAL, WEATHER, WEATHER_TOOL

SERVER: dict[str, Any] = {"api_base": URL, "api_key": KEY, "max_retries": 0}
ELSEWHERE: dict[str, Any] = {**SERVER, "api_base": ROOT}
#: One model by three APIs.
ROUTES: dict[str, dict[str, Any]] = {
    "openai": {"model": f"openai/{CHAT}", "temperature": 0, **SERVER},
    "anthropic": {"model": f"anthropic/{CHAT}", "temperature": 0, **ELSEWHERE},
    "ollama_chat": {"model": f"ollama_chat/{CHAT}", "temperature": 0, **ELSEWHERE},
}


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest) -> dict[str, Any]:
    return ROUTES[request.param]


def test_completion(route: dict[str, Any]) -> None:
    answer = litellm.completion(messages=CAPITAL, **route)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_usage_is_the_same_on_every_route() -> None:
    usages = [litellm.completion(messages=CAPITAL, **route).usage for route in ROUTES.values()]
    assert len({(usage.prompt_tokens, usage.completion_tokens) for usage in usages}) == 1


def test_stream_with_usage(route: dict[str, Any]) -> None:
    chunks = list(
        litellm.completion(messages=CAPITAL, stream=True, stream_options={"include_usage": True}, **route)
    )
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert litellm.stream_chunk_builder(chunks).usage.completion_tokens > 0


async def test_acompletion_many_at_once(route: dict[str, Any]) -> None:
    answers = await asyncio.gather(*(litellm.acompletion(messages=CAPITAL, **route) for _ in range(8)))
    assert all("Paris" in answer.choices[0].message.content for answer in answers)


async def test_async_stream(route: dict[str, Any]) -> None:
    stream = await litellm.acompletion(messages=CAPITAL, stream=True, **route)
    assert "Paris" in "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def test_a_tool_is_called_and_its_result_told(route: dict[str, Any]) -> None:
    asked = litellm.completion(messages=WEATHER, tools=[WEATHER_TOOL], **route).choices[0]
    assert asked.finish_reason == "tool_calls"
    (call,) = asked.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"location": "Tokyo"}
    result = {
        "role": "tool",
        "tool_call_id": call.id,
        "content": '{"temperature": 22, "conditions": "sunny"}',
    }
    told = litellm.completion(messages=[*WEATHER, asked.message, result], tools=[WEATHER_TOOL], **route)
    # On its way to Ollama's API, LiteLLM leaves calls out of the history: the model reads the result alone.
    assert ("sunny" if "ollama" in route["model"] else "22") in told.choices[0].message.content


def test_a_streamed_tool_call(route: dict[str, Any]) -> None:
    stream = litellm.completion(messages=WEATHER, tools=[WEATHER_TOOL], stream=True, **route)
    built = litellm.stream_chunk_builder(list(stream)).choices[0]
    (call,) = built.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"location": "Tokyo"})
    # Ollama ends a stream with a line of its own, in which LiteLLM looks for the calls.
    assert built.finish_reason == ("stop" if "ollama" in route["model"] else "tool_calls")


def test_thoughts(route: dict[str, Any]) -> None:
    """LiteLLM turns an effort into the words of each API."""
    if route["model"].startswith("anthropic/"):
        # LiteLLM takes an effort only for models whose names it knows.
        route = {
            **route,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "allowed_openai_params": ["thinking"],
        }
    else:
        route = {**route, "reasoning_effort": "low", "allowed_openai_params": ["reasoning_effort"]}
    message = litellm.completion(messages=CAPITAL, max_tokens=200, **route).choices[0].message
    assert "Paris" in message.reasoning_content
    assert "Paris" in message.content


def test_responses() -> None:
    ask = {"model": f"openai/{CHAT}", "input": CAPITAL[0]["content"], "temperature": 0, **SERVER}
    whole = litellm.responses(**ask)
    text = whole.output[0].content[0].text
    assert "Paris" in text
    events = list(litellm.responses(stream=True, **ask))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == text
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage.output_tokens == whole.usage.output_tokens


def test_responses_call_a_tool() -> None:
    tool = {"type": "function", **WEATHER_TOOL["function"]}
    answer = litellm.responses(
        model=f"openai/{CHAT}", input=WEATHER[0]["content"], tools=[tool], temperature=0, **SERVER
    )
    call = next(item for item in answer.output if item.type == "function_call")
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"location": "Tokyo"})


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
    for provider in ("openai", "anthropic"):
        server = SERVER if provider == "openai" else ELSEWHERE
        with pytest.raises(litellm.BadRequestError, match="temperature"):
            litellm.completion(model=f"{provider}/{CHAT}", messages=CAPITAL, temperature=5, **server)
        with pytest.raises(litellm.NotFoundError):
            litellm.completion(model=f"{provider}/nobody-there", messages=CAPITAL, **server)
    # For Ollama, every error is a lost connection to LiteLLM.
    with pytest.raises(litellm.APIConnectionError, match="'nobody-there' not found"):
        litellm.completion(model="ollama_chat/nobody-there", messages=CAPITAL, **ELSEWHERE)
