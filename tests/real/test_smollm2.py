"""SmolLM2 with its real weights: what a small model that was really trained makes of the chat engine."""

import json
from typing import Any

import jsonschema
import openai
import pytest

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

MODEL = "smollm2-135m-instruct"
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["city"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "a person": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "hobbies": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["name", "age", "hobbies"],
        "additionalProperties": False,
    },
    "the weather": {
        "type": "object",
        "properties": {
            "location": {"type": "string"},
            "temperature": {"type": "number"},
            "conditions": {"type": "string"},
            "forecast": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"day": {"type": "string"}, "high": {"type": "number"}},
                    "required": ["day", "high"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["location", "temperature", "conditions", "forecast"],
        "additionalProperties": False,
    },
    "a choice": {
        "type": "object",
        "properties": {"answer": {"enum": ["yes", "no"]}, "reason": {"type": "string"}},
        "required": ["answer", "reason"],
        "additionalProperties": False,
    },
}
QUESTIONS = {
    "a person": "Invent a person called Ada who likes chess. Answer in JSON.",
    "the weather": "What is the weather in Paris today? Answer in JSON.",
    "a choice": "Is the sky blue? Answer in JSON.",
}


def test_it_chats(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "What is the capital of France?"}],
        temperature=0,
        max_tokens=30,
    )
    assert answer.choices[0].message.content == "The capital of France is Paris."
    assert answer.choices[0].finish_reason == "stop"


def test_it_calls_a_tool_once(client: openai.OpenAI) -> None:
    """Two identical calls and an answer that ran on to its bound were seen with this model."""
    tool: Any = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[tool],
        tool_choice="required",
        temperature=0,
        max_tokens=200,
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    calls: Any = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather"]
    arguments = json.loads(calls[0].function.arguments)
    jsonschema.validate(arguments, WEATHER)
    assert "Paris" in arguments["city"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_fills_a_schema_whole(client: openai.OpenAI, name: str) -> None:
    schema: Any = {"name": "answer", "strict": True, "schema": SCHEMAS[name]}
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": QUESTIONS[name]}],
        response_format={"type": "json_schema", "json_schema": schema},
        temperature=0,
        max_tokens=300,
    )
    content = answer.choices[0].message.content
    assert content is not None
    jsonschema.validate(json.loads(content), SCHEMAS[name])
    assert answer.choices[0].finish_reason == "stop", content
