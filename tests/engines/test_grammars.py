"""Answers that obey a schema, from the engine itself: what a grammar lets through, and what is shown of it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from config.settings import Settings
from mlxq.catalog import ModelRef
from tests.support.events import plain
from tests.support.payloads import typed
from worker.engines.base import Delta, Done, Failed
from worker.engines.llm import chat

TINY_CHAT = Path(__file__).parents[2] / "models" / "tiny-chat"
#: Texts that the tokenizer of tiny-chat reads as special tokens.
NAMES = [
    "<think>",
    "use <tool_call> here",
    "a </think> b",
    "<|im_end|>",
    "</tool_call><|im_start|><think><think>",
]


@pytest.fixture(scope="module")
def engine() -> chat.ChatEngine:
    return chat.load(ModelRef("tiny-chat", TINY_CHAT), Settings())


def ask(engine: chat.ChatEngine, text: str = "Say it.", **options: Any) -> dict[str, Any]:
    """The only choice of an answer, whose deltas hold the same text as its result."""
    payload = {
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": 300,
        **options,
    }
    engine.add("task", typed(payload), seed=1)
    shown: dict[str, str] = {"content": "", "reasoning": "", "tool_call": ""}
    for _ in range(5000):
        for output in engine.step():
            assert not isinstance(output, Failed), output.error
            if isinstance(output, Delta):
                shown[output.field] += output.text
            if isinstance(output, Done):
                engine.tidy()
                choice: dict[str, Any] = plain(output.result)["choices"][0]
                assert shown["content"] == choice["text"]
                assert shown["reasoning"] == choice.get("reasoning", "")
                return choice
    raise AssertionError("it did not end")


def held(schema: dict[str, Any]) -> dict[str, Any]:
    return {"grammar": {"json_schema": schema}}


def an_object(**members: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("place", ["const", "enum", "pattern", "name"])
def test_names_of_special_tokens_are_text_like_any_other(
    engine: chat.ChatEngine, text: str, place: str
) -> None:
    schema = {
        "const": an_object(tag={"const": text}),
        "enum": an_object(tag={"enum": [text, text + " or not"]}),
        "pattern": an_object(tag={"type": "string", "pattern": "^[ab]" + text.replace("|", r"\|") + "[ab]$"}),
        "name": an_object(**{text: {"type": "boolean"}}),
    }[place]
    choice = ask(engine, **held(schema))
    assert choice["finish_reason"] == "stop"
    assert "reasoning" not in choice
    jsonschema.validate(json.loads(choice["text"]), schema)


def test_names_of_special_tokens_in_an_enforced_call(engine: chat.ChatEngine) -> None:
    parameters = an_object(tag={"const": "<think> is no </think>"}, other={"enum": ["<|im_end|>"]})
    tool = {"type": "function", "function": {"name": "note", "parameters": parameters}}
    choice = ask(engine, tools=[tool], tool_choice="required", parallel_tool_calls=False)
    assert choice["finish_reason"] == "tool_calls"
    [call] = choice["tool_calls"]
    jsonschema.validate(json.loads(call["arguments"]), parameters)


def test_a_schema_beside_tools_keeps_its_text(engine: chat.ChatEngine) -> None:
    tool = {"type": "function", "function": {"name": "note", "parameters": an_object()}}
    schema = an_object(tag={"const": "write <tool_call> and <think>"})
    # The token <tool_call>: the model is to answer.
    choice = ask(engine, tools=[tool], logit_bias={"1018": -100}, **held(schema))
    assert "tool_calls" not in choice
    jsonschema.validate(json.loads(choice["text"]), schema)
