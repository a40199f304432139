"""Structures and tool calls that are enforced: a model of random weights obeys too."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import openai
import pytest

from tests.support.checkpoints import random_qwen3
from tests.support.system import System

SCHEMAS: dict[str, dict[str, Any]] = {
    "nested objects and arrays with bounds": {
        "type": "object",
        "properties": {
            "title": {"type": "string", "maxLength": 12},
            "tags": {
                "type": "array",
                "items": {"type": "string", "maxLength": 5},
                "minItems": 1,
                "maxItems": 3,
            },
            "place": {
                "type": "object",
                "properties": {
                    "x": {"type": "integer", "minimum": -9, "maximum": 9},
                    "ok": {"type": "boolean"},
                },
                "required": ["x", "ok"],
                "additionalProperties": False,
            },
        },
        "required": ["title", "tags", "place"],
        "additionalProperties": False,
    },
    "enums and constants": {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b", 3, None]}, "version": {"const": 2}},
        "required": ["kind", "version"],
        "additionalProperties": False,
    },
    "numbers with limits": {
        "type": "array",
        "items": {"type": "number", "minimum": 0, "exclusiveMaximum": 100},
        "minItems": 2,
        "maxItems": 4,
    },
    "strings with patterns and lengths": {
        "type": "object",
        "properties": {
            "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
            "name": {"type": "string", "minLength": 2, "maxLength": 6},
            "day": {"type": "string", "format": "date"},
        },
        "required": ["code", "name", "day"],
        "additionalProperties": False,
    },
    "references and alternatives": {
        "$defs": {
            "leaf": {
                "type": "object",
                "properties": {"value": {"type": "integer", "minimum": 0, "maximum": 99}},
                "required": ["value"],
                "additionalProperties": False,
            }
        },
        "type": "object",
        "properties": {
            "one": {"$ref": "#/$defs/leaf"},
            "other": {"anyOf": [{"$ref": "#/$defs/leaf"}, {"type": "null"}, {"type": "boolean"}]},
        },
        "required": ["one", "other"],
        "additionalProperties": False,
    },
}
ANSWERS = 40
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "set_light",
            "parameters": {
                "type": "object",
                "properties": {
                    "room": {"enum": ["kitchen", "hall"]},
                    "level": {"$ref": "#/$defs/level"},
                },
                "required": ["room", "level"],
                "additionalProperties": False,
                "$defs": {"level": {"type": "integer", "minimum": 0, "maximum": 100}},
            },
        },
    },
    {"type": "function", "function": {"name": "stop"}},
]


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first", seed=1)
    running = System(root, "first")
    try:
        yield running.start().openai()
    finally:
        running.stop()


def ask(client: openai.OpenAI, number: int, **options: Any) -> Any:
    return client.chat.completions.create(
        model="first",
        messages=[{"role": "user", "content": f"Question {number}"}],
        **{"temperature": 1, "seed": number, "max_tokens": 400, **options},
    )


@pytest.mark.parametrize("kind", SCHEMAS)
def test_answers_of_random_weights_all_hold_to_the_schema(random_weights: openai.OpenAI, kind: str) -> None:
    schema = SCHEMAS[kind]
    form = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: ask(random_weights, n, response_format=form), range(ANSWERS)))
    assert [answer.choices[0].finish_reason for answer in answers] == ["stop"] * ANSWERS
    for answer in answers:
        validator.validate(json.loads(answer.choices[0].message.content))


def test_json_of_any_kind_and_json_of_omnis_dialect(random_weights: openai.OpenAI) -> None:
    schema = SCHEMAS["numbers with limits"]
    answer = ask(random_weights, 1, response_format={"type": "json_object", "schema": schema})
    jsonschema.validate(json.loads(answer.choices[0].message.content), schema)
    # Without a schema nothing tells a random model to come to an end: what it has written begins an object.
    free = ask(random_weights, 1, response_format={"type": "json_object"}, max_tokens=20)
    assert free.choices[0].message.content.startswith("{")


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "set_light"}}])
@pytest.mark.parametrize("parallel", [True, False])
def test_random_weights_call_a_tool_when_they_have_to(
    random_weights: openai.OpenAI, choice: Any, parallel: bool
) -> None:
    for number in range(5):
        options = {"tools": TOOLS, "tool_choice": choice, "parallel_tool_calls": parallel}
        answer = ask(random_weights, number, **options).choices[0]
        assert answer.finish_reason == "tool_calls"
        assert answer.message.content is None
        calls = answer.message.tool_calls
        assert 1 <= len(calls) <= (8 if parallel and choice == "required" else 1)
        for call in calls:
            parameters = {t["function"]["name"]: t["function"].get("parameters") for t in TOOLS}
            if choice != "required":
                assert call.function.name == "set_light"
            jsonschema.validate(
                json.loads(call.function.arguments),
                parameters[call.function.name] or {"type": "object", "maxProperties": 0},
            )
        assert len({call.id for call in calls}) == len(calls)

        streamed = stream(random_weights, number, **options)
        assert streamed == [(call.function.name, call.function.arguments) for call in calls]


def stream(client: openai.OpenAI, number: int, **options: Any) -> list[tuple[str, str]]:
    """The calls of a stream, put together as the SDK's users do."""
    calls: dict[int, list[str]] = {}
    for chunk in ask(client, number, stream=True, **options):
        for choice in chunk.choices:
            assert not choice.delta.content
            for call in choice.delta.tool_calls or []:
                known = calls.setdefault(call.index, [call.function.name, ""])
                known[1] += call.function.arguments or ""
    return [(call[0], call[1]) for _, call in sorted(calls.items())]


def test_neighbours_with_and_without_a_grammar_do_not_touch_each_other(
    random_weights: openai.OpenAI,
) -> None:
    form = {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMAS["enums and constants"]},
    }

    def text(number: int) -> Any:
        options = {"response_format": form} if number % 2 else {"max_tokens": 40}
        return ask(random_weights, number, **options).choices[0].message.content

    alone = [text(number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(text, range(8))) == alone


def test_a_schema_that_can_not_be_enforced_is_refused_by_name(random_weights: openai.OpenAI) -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    with pytest.raises(openai.BadRequestError) as refused:
        ask(
            random_weights,
            1,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        )
    assert "uniqueItems" in refused.value.message
    assert refused.value.param is not None
    assert refused.value.param.startswith("response_format")


def test_max_tokens_may_cut_a_structure(random_weights: openai.OpenAI) -> None:
    form = {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMAS["numbers with limits"]},
    }
    answer = ask(random_weights, 1, response_format=form, max_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3


def test_members_that_a_schema_does_not_list_are_not_invented(random_weights: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    for number in range(5):
        answer = ask(random_weights, number, response_format=form).choices[0]
        assert answer.finish_reason == "stop"
        assert json.loads(answer.message.content).keys() == {"n"}


def test_what_is_put_together_from_parts_still_holds(random_weights: openai.OpenAI) -> None:
    part: Any = {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}
    other: Any = {"type": "object", "properties": {"b": {"const": 2}}, "required": ["b"]}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"allOf": [part, other]}}}
    answer = ask(random_weights, 1, response_format=form, max_tokens=30).choices[0]
    assert answer.message.content.startswith('{"a": 1')


def test_a_call_that_the_length_cuts_is_told_as_far_as_it_goes(random_weights: openai.OpenAI) -> None:
    options: Any = {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "set_light"}}}
    whole = ask(random_weights, 1, **options).choices[0].message.tool_calls[0]
    assert len(whole.function.arguments) > 20
    # Tokens are single bytes: 51 of them come before the arguments.
    answer = ask(random_weights, 1, max_tokens=65, **options).choices[0]
    assert answer.finish_reason == "length"
    assert not answer.message.content
    [cut] = answer.message.tool_calls
    assert cut.function.name == "set_light"
    assert cut.function.arguments
    assert whole.function.arguments.startswith(cut.function.arguments)
    assert len(cut.function.arguments) < len(whole.function.arguments)
    assert stream(random_weights, 1, max_tokens=65, **options) == [("set_light", cut.function.arguments)]
