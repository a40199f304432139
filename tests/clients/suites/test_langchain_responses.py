"""langchain-openai on Responses: answers, streams, tools, schemas, reasoning, conversations that the server keeps."""

# The libraries are not in the environment that mypy looks into.
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"

from typing import Annotated, Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

from tests.clients.suites.server import CHAT, KEY, RANDOM, URL

FRANCE, ITALY = "What is the capital of France?", "What is the capital of Italy?"


def model(name: str = CHAT, **fields: Any) -> Any:
    fields = {"temperature": 0, "max_retries": 0, "use_responses_api": True, **fields}
    return ChatOpenAI(model=name, base_url=URL, api_key=KEY, **fields)


def get_weather(location: str) -> str:
    """Get the current weather"""
    raise AssertionError("the test has the result")


class Size(BaseModel):
    width: Annotated[int, Field(ge=0, le=99)]


def test_an_answer_and_its_stream() -> None:
    answer = model().invoke(FRANCE)
    assert "Paris" in answer.text
    assert answer.response_metadata["id"].startswith("resp_")
    assert answer.usage_metadata["output_tokens"] > 0
    pieces = [chunk.text for chunk in model().stream(FRANCE)]
    assert "".join(pieces) == answer.text
    assert len(pieces) > 3


def test_a_tool() -> None:
    chat, asked = model().bind_tools([get_weather]), HumanMessage("What's the weather in Tokyo?")
    answer = chat.invoke([asked])
    call = answer.tool_calls[0]
    assert (call["name"], call["args"]) == ("get_weather", {"location": "Tokyo"})
    result = ToolMessage('{"temperature": 22, "conditions": "sunny"}', tool_call_id=call["id"])
    assert "22" in chat.invoke([asked, answer, result]).text


def test_a_schema() -> None:
    assert 0 <= model(RANDOM).with_structured_output(Size).invoke("Go").width <= 99


def test_thoughts_are_a_summary() -> None:
    answer = model(reasoning={"effort": "medium", "summary": "auto"}).invoke(FRANCE)
    thoughts = next(block for block in answer.content if block["type"] == "reasoning")
    assert "Paris" in thoughts["summary"][0]["text"]


def test_only_new_messages_are_sent() -> None:
    chat = model(use_previous_response_id=True)
    first = chat.invoke([HumanMessage(FRANCE)])
    second = chat.invoke([HumanMessage(FRANCE), first, HumanMessage(ITALY)])
    assert "Rome" in second.text
    assert second.usage_metadata["input_tokens"] > first.usage_metadata["input_tokens"]
