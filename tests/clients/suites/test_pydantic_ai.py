"""Pydantic AI: an agent that answers, streams, uses tools and returns an `output_type`."""

# The libraries are not in the environment that mypy looks into.
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from tests.clients.suites.server import CHAT, KEY, RANDOM, URL

GREEDY = ModelSettings(temperature=0, max_tokens=1000)


def chat_model(name: str) -> OpenAIChatModel:
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=URL, api_key=KEY))


class Size(BaseModel):
    width: Annotated[int, Field(ge=0, le=99)]
    unit: Literal["cm", "inch"]


async def test_an_answer() -> None:
    agent = Agent(chat_model(CHAT), system_prompt="You are a helpful assistant.", model_settings=GREEDY)
    result = await agent.run("What is the capital of France?")
    assert "Paris" in result.output
    assert result.usage.output_tokens > 0


async def test_a_stream_of_text() -> None:
    agent = Agent(chat_model(CHAT), model_settings=GREEDY)
    async with agent.run_stream("What is the capital of Japan?") as stream:
        pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]
    assert "Tokyo" in "".join(pieces)


async def test_a_tool_is_called_and_its_result_told() -> None:
    agent = Agent(chat_model(CHAT), model_settings=GREEDY)
    asked = []

    @agent.tool_plain
    def get_weather(location: str) -> dict[str, object]:
        """Get the current weather"""
        asked.append(location)
        return {"temperature": 22, "conditions": "sunny"}

    result = await agent.run("What's the weather in Tokyo?")
    assert asked == ["Tokyo"]
    assert "22" in result.output


async def test_a_conversation_goes_on() -> None:
    agent = Agent(chat_model(CHAT), model_settings=GREEDY)
    first = await agent.run("My name is Ana.")
    second = await agent.run("What is my name?", message_history=first.all_messages())
    assert "Ana" in second.output


@pytest.mark.parametrize("model", [CHAT, RANDOM])
@pytest.mark.parametrize("output", [ToolOutput, NativeOutput], ids=lambda output: output.__name__)
async def test_an_output_type(model: str, output: type[ToolOutput[Size]] | type[NativeOutput[Size]]) -> None:
    """By a tool that must be called, or by a JSON schema: the server enforces both, so no retry is needed."""
    agent = Agent(chat_model(model), output_type=output(Size), retries=0, model_settings=GREEDY)
    result = await agent.run("How wide is it?")
    assert isinstance(result.output, Size)


async def test_an_output_type_streams() -> None:
    agent = Agent(chat_model(RANDOM), output_type=NativeOutput(Size), retries=0, model_settings=GREEDY)
    async with agent.run_stream("How wide is it?") as stream:
        final = [each async for each in stream.stream_output(debounce_by=None)][-1]
    assert isinstance(final, Size)


async def test_one_of_two_outputs() -> None:
    class Refusal(BaseModel):
        why: Annotated[str, Field(max_length=20)]

    agent = Agent(chat_model(RANDOM), output_type=[Size, Refusal], retries=0, model_settings=GREEDY)
    assert isinstance((await agent.run("How wide is it?")).output, Size | Refusal)


async def test_prompted_json() -> None:
    """PromptedOutput asks for a json_object and validates itself; any object is what the server can promise."""

    class Anything(BaseModel, extra="allow"):
        pass

    agent = Agent(chat_model(CHAT), output_type=PromptedOutput(Anything), retries=0, model_settings=GREEDY)
    assert isinstance((await agent.run("Answer in JSON. What is the capital of Japan?")).output, Anything)
