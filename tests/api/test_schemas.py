"""Schemas as people's libraries write them: what restricts nothing is no reason to refuse them."""

import json
from typing import Any

import httpx
import pytest

from tests.api.requests import chat
from tests.api.test_bad_input import check
from tests.support.schemas import LOOSENED, TAKEN, one
from tests.support.scripted_worker import ScriptedWorker

CHAT = "/v1/chat/completions"


def form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def tool(name: str, parameters: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def test_what_restricts_nothing_is_taken(http: httpx.Client, worker: ScriptedWorker) -> None:
    for name, schema in TAKEN.items():
        answer = http.post(CHAT, json=chat(response_format=form(schema)))
        assert answer.status_code == 200, (name, answer.text)
        assert "warning" not in answer.headers, name
    tools = [
        tool(f"f{number}", schema) for number, schema in enumerate(TAKEN.values()) if "$ref" not in schema
    ]
    answer = http.post(
        CHAT, json=chat(tools=[*tools, tool("g", None), tool("h", {})], tool_choice="required")
    )
    assert answer.status_code == 200, answer.text
    assert "warning" not in answer.headers
    assert worker.runs[-1].payload["tools"][0] == tools[0], "the model is told what its author wrote"


@pytest.mark.parametrize(("parameters", "keywords"), LOOSENED, ids=[words for _, words in LOOSENED])
def test_one_tool_that_can_not_be_enforced_loosens_itself_only(
    http: httpx.Client, worker: ScriptedWorker, parameters: dict[str, Any], keywords: str
) -> None:
    other = one({"const": 1})
    answer = http.post(
        CHAT, json=chat(tools=[tool("f", parameters), tool("g", other)], tool_choice="required")
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["warning"] == f'299 mlxq "not all of the schema is enforced: f ({keywords})"'
    held = worker.runs[0].payload["tool_schemas"]
    assert held["f"]["type"] == "object"
    assert held.get("g", other) == other


TOO_LARGE = {
    "a multiple": one({"type": "integer", "multipleOf": 299993}),
    "multiples": one({"allOf": [{"type": "integer", "multipleOf": factor} for factor in (97, 89, 83)]}),
    "a multiple between bounds": one(
        {"type": "integer", "minimum": 0, "maximum": 10**15, "multipleOf": 9973}
    ),
    "members": {"type": "object", "properties": {f"k{number}": {} for number in range(1200)}},
    "repetitions": one({"type": "string", "pattern": "^(a{1000}){1000}$"}),
    "repetitions of repetitions": one({"type": "string", "pattern": "^((([ab]{9}){0,99}){99}){99,}$"}),
    "names": {"type": "object", "patternProperties": {"^(x{999}){999}$": {"type": "integer"}}},
    "cases": {"allOf": [{"anyOf": [one({"const": n * 10 + m}) for n in range(10)]} for m in range(5)]},
    "references": {
        "$ref": "#/$defs/0",
        "$defs": {
            **{str(number): one({"$ref": f"#/$defs/{number + 1}"}) for number in range(1_200)},
            "1200": {"type": "null"},
        },
    },
    "cases that name cases": {
        "$defs": {
            **{
                str(number): {
                    "type": "object",
                    "properties": {"it": {"oneOf": [{"$ref": f"#/$defs/{number + 1}"}] * 2}},
                }
                for number in range(40)
            },
            "40": {"type": "null"},
        },
        **one({"oneOf": [{"$ref": "#/$defs/0"}] * 2}),
    },
    "letters": one({"enum": ["x" * 1000 + str(number) for number in range(150)]}),
}


@pytest.mark.parametrize("kind", TOO_LARGE)
def test_what_would_take_too_much_is_refused_at_once(
    http: httpx.Client, worker: ScriptedWorker, kind: str
) -> None:
    error = check(http.post(CHAT, json=chat(response_format=form(TOO_LARGE[kind]))))
    assert error["code"] == "invalid_json_schema"
    assert error["param"] == "response_format.json_schema.schema"
    assert worker.runs == []


def test_numbers_beyond_64_bits_break_nothing(http: httpx.Client, worker: ScriptedWorker) -> None:
    wanted = {"type": "json_object", "schema": {"const": "LARGE"}}
    body = json.dumps(chat(response_format=wanted)).replace('"LARGE"', "1" * 30)
    answer = http.post(CHAT, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 400), answer.text
