"""Arguments that are written without a type have the one of the tool's schema."""

import json
from typing import Any

import pytest

from tests.support.written import tool
from worker.engines.llm.formats.typed import Tools

ROOT = {
    "$defs": {
        "count": {"type": "integer"},
        "either": {"anyOf": [{"$ref": "#/$defs/count"}, {"type": "null"}]},
        "loop": {"$ref": "#/$defs/loop"},
        "a/b": {"type": "boolean"},
    }
}
TYPED: list[tuple[Any, str, Any]] = [
    ({"type": "string"}, "1.10", "1.10"),
    ({"type": "string"}, "true", "true"),
    ({"type": "string"}, "null", "null"),
    ({"type": "string"}, ' {"a": 1}\n', ' {"a": 1}\n'),
    ({"type": ["string", "null"]}, "1.10", "1.10"),
    ({"type": ["string", "null"]}, "null", None),
    ({"type": ["string", "null"]}, "", ""),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "25", "25"),
    ({"type": "string", "nullable": True}, "null", None),
    ({"type": "integer"}, "25", 25),
    ({"type": "integer"}, "\n25 ", 25),
    ({"type": "integer"}, "25.0", 25),
    ({"type": "integer"}, "many", "many"),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, "25", 25),
    ({"oneOf": [{"type": "integer"}, {"type": "null"}]}, "null", None),
    ({"type": ["integer", "null"]}, "None", None),
    ({"type": "integer"}, "null", "null"),
    ({"type": "number"}, "1.5", 1.5),
    ({"type": "number"}, "2", 2),
    ({"type": "number"}, "1e3", 1000.0),
    ({"type": "number"}, "NaN", "NaN"),
    ({"type": "boolean"}, "true", True),
    ({"type": "boolean"}, "False", False),
    ({"type": "boolean"}, "yes", True),
    ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "true", True),
    ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "", None),
    ({"$ref": "#/$defs/count"}, "3", 3),
    ({"$ref": "#/$defs/either"}, "3", 3),
    ({"$ref": "#/$defs/either"}, "null", None),
    ({"allOf": [{"$ref": "#/$defs/count"}], "description": "pydantic"}, "3", 3),
    ({"$ref": "#/$defs/a~1b"}, "true", True),
    ({"$ref": "#/$defs/loop"}, "3", "3"),
    ({"$ref": "http://elsewhere/x"}, "3", "3"),
    ({"enum": ["1", "2"]}, "1", "1"),
    ({"enum": [1, 2, "3"]}, "2", 2),
    ({"enum": [1, 2, "3"]}, "3", "3"),
    ({"enum": ["a", None]}, "null", None),
    ({"const": True}, "true", True),
    ({"const": "true"}, "true", "true"),
    ({"type": "string", "enum": ["a", "b"]}, "\na\n", "a"),
    ({"type": "array", "items": {"type": "string"}}, '["1", "x"]', ["1", "x"]),
    ({"type": "array"}, "['a', True]", ["a", True]),
    ({"type": "object"}, '{"a": {"b": [1, null]}}', {"a": {"b": [1, None]}}),
    ({"type": "object"}, '{"a": "x\ny"}', {"a": "x\ny"}),
    ({"properties": {"a": {}}}, '{"a": 1}', {"a": 1}),
    ({"type": ["object", "null"]}, "null", None),
    ({"type": "array"}, "no list", "no list"),
    ({"type": ["string", "integer"]}, "25", 25),
    ({"type": ["string", "number"]}, "1.10", "1.10"),
    ({"type": ["string", "array"]}, '["a"]', ["a"]),
    ({"type": ["string", "array"]}, "['a']", "['a']"),
    ({}, '{"a": 1}', {"a": 1}),
    ({}, "1.10", "1.10"),
]


@pytest.mark.parametrize(
    ("schema", "text", "value"), TYPED, ids=[f"{json.dumps(s)} {t}" for s, t, _ in TYPED]
)
def test_a_value_is_what_its_schema_says(schema: Any, text: str, value: Any) -> None:
    tools = Tools([tool("f", {"x": schema}, **ROOT)])
    read = json.loads(tools.kind("f", "x").json(text, guess=False))
    assert (read, type(read)) == (value, type(value))


def test_values_of_unknown_types_are_read_where_a_family_writes_json() -> None:
    tools = Tools([tool("f"), {"type": "function", "function": {"name": "bare"}}])
    kind = tools.kind("f", "x")
    assert [kind.json(text, guess=True) for text in ("25", "1.10", "true", "null", "a b")] == [
        "25",
        '"1.10"',
        "true",
        "null",
        '"a b"',
    ]
    assert [kind.json(text, guess=False) for text in ("25", "true", "[1]")] == ['"25"', '"true"', "[1]"]
    assert tools.kind("bare", "x") == kind
    assert tools.kind("other", "x") == kind
    more = Tools([tool("f", additionalProperties={"type": "integer"})])
    assert more.kind("f", "x").json("25", guess=False) == "25"


def test_no_digit_is_lost() -> None:
    tools = Tools([tool("f", {"x": {"type": "number"}})])
    digits = "3.14159265358979323846264338327950288"
    assert tools.kind("f", "x").json(digits, guess=False) == digits
