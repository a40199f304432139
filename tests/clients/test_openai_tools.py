"""Tools and structured output as the OpenAI SDK for Python offers them: create, stream, `parse()`, their helpers."""

import json
from enum import StrEnum
from typing import Annotated, Any

import openai
import pytest
from pydantic import BaseModel, Field

from tests.clients.tools import follow_up, weather
from tests.support.system import System


@pytest.fixture
def sdk(tiny: System) -> openai.OpenAI:
    return tiny.openai()


def test_a_tool_is_called_and_its_result_told(sdk: openai.OpenAI) -> None:
    choice = sdk.chat.completions.create(**weather()).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"location": "Tokyo"}
    told = sdk.chat.completions.create(**weather(messages=follow_up(choice.message, call.id))).choices[0]
    assert told.finish_reason == "stop"
    assert "22" in (told.message.content or "")


def test_streamed_deltas_add_up_to_the_call(sdk: openai.OpenAI) -> None:
    name, arguments, ids = "", "", []
    chunks = list(sdk.chat.completions.create(**weather(), stream=True))
    for chunk in chunks:
        assert not chunk.choices[0].delta.content, "a call is never content"
        for delta in chunk.choices[0].delta.tool_calls or []:
            assert delta.index == 0
            assert delta.function is not None
            name += delta.function.name or ""
            arguments += delta.function.arguments or ""
            ids += [delta.id] if delta.id else []
    assert (name, json.loads(arguments)) == ("get_weather", {"location": "Tokyo"})
    assert len(ids) == 1
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_the_streaming_helper_accumulates_the_call(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(**weather()) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        (call,) = stream.get_final_completion().choices[0].message.tool_calls or []
    assert [json.loads(event.arguments) for event in done] == [{"location": "Tokyo"}]
    assert json.loads(call.function.arguments) == {"location": "Tokyo"}


def test_text_beside_tools_stays_a_stream(tiny: System, sdk: openai.OpenAI) -> None:
    """Some of it comes while the answer goes on."""
    france = [{"role": "user", "content": "What is the capital of France?"}]
    asked = weather(messages=france, extra_body={"ignore_eos": True}, max_tokens=8000)
    with sdk.chat.completions.create(**asked, stream=True) as stream:
        first = next(chunk for chunk in stream if chunk.choices[0].delta.content)
        assert tiny.job(first.id)["status"] == "in_progress"
        tiny.http.post(f"/v1/jobs/{first.id}/cancel").raise_for_status()
    whole = sdk.chat.completions.create(**weather(messages=france)).choices[0].message.content
    assert "Paris" in (whole or "")


@pytest.mark.parametrize("model", ["tiny-chat", "first"])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_call_can_be_demanded(sdk: openai.OpenAI, model: str, choice: Any) -> None:
    demand = weather(model=model, tool_choice=choice, messages=[{"role": "user", "content": "Hello!"}])
    answer = sdk.chat.completions.create(**demand, max_tokens=1000, parallel_tool_calls=False).choices[0]
    assert answer.finish_reason == "tool_calls"
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"location"}


def test_no_call_when_none_is_wanted(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(**weather(tool_choice="none")).choices[0]
    assert answer.message.tool_calls is None
    assert answer.finish_reason == "stop"


def test_a_tool_choice_without_its_tool_is_refused(sdk: openai.OpenAI) -> None:
    choice = {"type": "function", "function": {"name": "get_time"}}
    with pytest.raises(openai.BadRequestError, match="tool_choice"):
        sdk.chat.completions.create(**weather(tool_choice=choice))


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    name: Annotated[str, Field(max_length=12)]
    weight: Annotated[int, Field(ge=0, le=1000)]


class Machine(BaseModel):
    colour: Colour
    electric: bool
    parts: Annotated[list[Part], Field(min_length=1, max_length=3)]


MACHINE: Any = {"messages": [{"role": "user", "content": "Describe a machine."}], "max_tokens": 1000}


@pytest.mark.parametrize("model", ["tiny-chat", "first"])
def test_parse_gives_an_object(sdk: openai.OpenAI, model: str) -> None:
    for seed in range(5):
        answer = sdk.chat.completions.parse(model=model, response_format=Machine, seed=seed, **MACHINE)
        machine = answer.choices[0].message.parsed
        assert machine is not None
        assert 1 <= len(machine.parts) <= 3


def test_a_streamed_object_is_parsed_at_its_end(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model="first", response_format=Machine, seed=1, **MACHINE) as stream:
        deltas = [event for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(delta.delta for delta in deltas) == final.choices[0].message.content
    assert isinstance(final.choices[0].message.parsed, Machine)


def test_parse_reads_a_strict_tools_arguments(sdk: openai.OpenAI) -> None:
    tool = openai.pydantic_function_tool(Part)
    answer = sdk.chat.completions.parse(
        model="first", tools=[tool], tool_choice="required", seed=1, **MACHINE
    )
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert all(isinstance(call.function.parsed_arguments, Part) for call in calls)


def test_what_max_tokens_cut_is_not_parsed(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        sdk.chat.completions.parse(model="first", response_format=Machine, **{**MACHINE, "max_tokens": 3})


def test_json_object_is_an_object(sdk: openai.OpenAI) -> None:
    messages: Any = [
        {"role": "system", "content": "Answer in JSON."},
        {"role": "user", "content": "What is the capital of Japan?"},
    ]
    answer = sdk.chat.completions.create(
        model="tiny-chat", messages=messages, response_format={"type": "json_object"}, temperature=0
    )
    assert json.loads(answer.choices[0].message.content or "") == {"answer": "Tokyo"}


def test_a_schema_that_cannot_be_enforced_is_refused(sdk: openai.OpenAI) -> None:
    schema: Any = {"type": "array", "uniqueItems": True, "items": {"type": "integer"}}
    with pytest.raises(openai.BadRequestError, match="uniqueItems"):
        sdk.chat.completions.create(
            model="first",
            response_format={"type": "json_schema", "json_schema": {"name": "set", "schema": schema}},
            **MACHINE,
        )
