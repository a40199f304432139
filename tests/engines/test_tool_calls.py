"""What models write as calls, read as calls: each family in its own way, and broken ones."""

import importlib
import json
from typing import Any

import pytest

from worker.engines.llm.tools import ToolCalls

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    }
]

WRITTEN = [
    ("json_tools", '\n{"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}}\n'),
    (
        "qwen3_coder",
        "\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n"
        "<parameter=days>\n2\n</parameter>\n</function>\n",
    ),
    (
        "glm47",
        "get_weather<arg_key>city</arg_key><arg_value>Oslo</arg_value>"
        "<arg_key>days</arg_key><arg_value>2</arg_value>",
    ),
    ("mistral", 'get_weather[ARGS]{"city": "Oslo", "days": 2}'),
    ("pythonic", '[get_weather(city="Oslo", days=2)]'),
]


def calls(parser: str | None = None, **options: Any) -> ToolCalls:
    function = importlib.import_module(f"mlx_lm.tool_parsers.{parser}").parse_tool_call if parser else None
    return ToolCalls(TOOLS, function, seed=7, index=0, **{"several": True, **options})


@pytest.mark.parametrize(("parser", "text"), WRITTEN, ids=[name for name, _ in WRITTEN])
def test_a_familys_way_to_call_is_read(parser: str, text: str) -> None:
    read = calls(parser).read(text)
    assert read is not None
    [(number, call)] = read
    assert (number, call["name"]) == (0, "get_weather")
    assert json.loads(call["arguments"]) == {"city": "Oslo", "days": 2}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        '{"name": "get_weather", "arguments": {"city": ',
        '{"name": "unknown", "arguments": {}}',
        '{"name": "get_weather", "arguments": [1]}',
        '{"name": "get_weather", "arguments": "not json"}',
        '["get_weather"]',
        "7",
    ],
)
@pytest.mark.parametrize("parser", [None, *[name for name, _ in WRITTEN]])
def test_what_is_no_call_is_none(parser: str | None, text: str) -> None:
    made = calls(parser)
    assert made.read(text) is None
    assert made.made == []


def test_arguments_may_be_json_text() -> None:
    read = calls().read('{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}')
    assert read is not None
    assert json.loads(read[0][1]["arguments"]) == {"city": "Oslo"}


def test_ids_are_the_same_when_a_job_runs_again_and_differ_between_calls() -> None:
    text = '{"name": "get_weather", "arguments": {"city": "Oslo"}}' * 2
    first, again = calls(), calls()
    first.read(text)
    again.read(text)
    ids = [call["id"] for call in first.made]
    assert ids == [call["id"] for call in again.made]
    assert len(set(ids)) == 2


def test_one_call_is_enough_where_several_are_not_wanted() -> None:
    made = calls(several=False)
    made.read('{"name": "get_weather", "arguments": {"city": "Oslo"}}' * 3)
    assert len(made.made) == 1
    assert made.full
