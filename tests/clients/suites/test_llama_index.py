"""LlamaIndex' OpenAILike: chat, completion, streams, function calling, structured prediction."""

# The libraries are not in the environment that mypy looks into.
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"

from typing import Annotated, Any

import pytest
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel, Field

from tests.clients.suites.server import CHAT, KEY, RANDOM, URL

QUESTION = [ChatMessage(role=MessageRole.USER, content="What is the capital of France?")]


def model(name: str = CHAT, **options: Any) -> OpenAILike:
    settings: dict[str, Any] = {
        "model": name,
        "api_base": URL,
        "api_key": KEY,
        "is_chat_model": True,
        "is_function_calling_model": True,
        "context_window": 8192,
        "temperature": 0,
        "max_retries": 0,
    }
    return OpenAILike(**{**settings, **options})


def get_weather(location: str) -> str:
    """Get the current weather"""
    return f"Sunny in {location}"


WEATHER = FunctionTool.from_defaults(get_weather)


def test_chat() -> None:
    assert "Paris" in (model().chat(QUESTION).message.content or "")


def test_chat_streams() -> None:
    seen = list(model().stream_chat(QUESTION))
    assert "Paris" in (seen[-1].message.content or "")
    assert "".join(each.delta or "" for each in seen) == seen[-1].message.content


async def test_async_chat_and_stream() -> None:
    assert "Paris" in ((await model().achat(QUESTION)).message.content or "")
    stream = await model().astream_chat(QUESTION)
    assert "Paris" in "".join([each.delta or "" async for each in stream])


def test_complete_as_a_chat_model() -> None:
    assert "Paris" in model().complete("What is the capital of France?").text


def test_complete_by_the_completions_endpoint() -> None:
    plain = model(is_chat_model=False, is_function_calling_model=False, max_tokens=6)
    whole = plain.complete("The capital of France is").text
    assert whole == list(plain.stream_complete("The capital of France is"))[-1].text


def test_a_function_is_called() -> None:
    llm = model()
    answer = llm.chat_with_tools([WEATHER], user_msg="What's the weather in Tokyo?")
    (call,) = llm.get_tool_calls_from_response(answer)
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"location": "Tokyo"})


def test_predict_and_call() -> None:
    assert "Sunny in Tokyo" in str(
        model().predict_and_call([WEATHER], user_msg="What's the weather in Tokyo?")
    )


def test_a_function_call_streams() -> None:
    llm = model()
    seen = list(llm.stream_chat_with_tools([WEATHER], user_msg="What's the weather in Tokyo?"))
    (call,) = llm.get_tool_calls_from_response(seen[-1])
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"location": "Tokyo"})


def test_a_function_that_must_be_called() -> None:
    llm = model(RANDOM, max_tokens=1000, additional_kwargs={"seed": 1})
    size = FunctionTool.from_defaults(lambda width, deep: "", name="size", fn_schema=Size)
    answer = llm.chat_with_tools([size], user_msg="Hello!", tool_required=True)
    for call in llm.get_tool_calls_from_response(answer):
        Size.model_validate(call.tool_kwargs)


class Size(BaseModel):
    """The size of a thing."""

    width: Annotated[int, Field(ge=0, le=99)]
    deep: bool


@pytest.mark.parametrize("name", [CHAT, RANDOM])
@pytest.mark.parametrize("by_schema", [False, True])
def test_structured_prediction(name: str, by_schema: bool) -> None:
    """By a tool that must be called, or by a JSON schema."""
    llm = model(name, should_use_structured_outputs=by_schema, max_tokens=1000)
    assert isinstance(llm.structured_predict(Size, PromptTemplate("How wide is it?")), Size)
