"""OpenAI's Agents SDK, which speaks Responses: tools, streams, hand-offs, conversations that the server keeps."""

# The libraries are not in the environment that mypy looks into.
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"

from typing import Any

from agents import Agent, ModelSettings, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

from tests.clients.suites.server import CHAT, KEY, URL

set_tracing_disabled(True)


def agent(name: str = "helper", **fields: Any) -> Any:
    model = OpenAIResponsesModel(CHAT, AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0))
    return Agent(name=name, model=model, model_settings=ModelSettings(temperature=0), **fields)


called: list[str] = []


@function_tool
def get_weather(location: str) -> str:
    """Get the current weather"""
    called.append(location)
    return '{"temperature": 22, "conditions": "sunny"}'


async def test_a_tool_is_run_and_its_result_told() -> None:
    result = await Runner.run(agent(tools=[get_weather]), "What's the weather in Tokyo?")
    assert called[-1] == "Tokyo"
    assert "22" in result.final_output
    assert [type(item).__name__ for item in result.new_items] == [
        "ToolCallItem",
        "ToolCallOutputItem",
        "MessageOutputItem",
    ]


async def test_a_streamed_run() -> None:
    result = Runner.run_streamed(agent(tools=[get_weather]), "What's the weather in Paris?")
    kinds = [event.type async for event in result.stream_events()]
    assert called[-1] == "Paris"
    assert "22" in result.final_output
    assert kinds.count("raw_response_event") > 10


async def test_a_conversation_that_the_server_keeps() -> None:
    helper = agent()
    first = await Runner.run(helper, "What is the capital of France?")
    assert "Paris" in first.final_output
    second = await Runner.run(
        helper, "What is the capital of Italy?", previous_response_id=first.last_response_id
    )
    assert "Rome" in second.final_output
    tokens = [result.raw_responses[0].usage.input_tokens for result in (first, second)]
    assert tokens[1] > tokens[0]
