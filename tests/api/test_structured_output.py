"""Structured output: the grammar that reaches the engine, and schemas that nobody could enforce."""

from typing import Any

import httpx
import pytest

from tests.api.requests import chat
from tests.api.test_bad_input import check, nested
from tests.support.scripted_worker import ScriptedWorker

CHAT = "/v1/chat/completions"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def json_schema(schema: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, **fields}}


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_object", "schema": CITY}, CITY),
        (json_schema(CITY), CITY),
        (json_schema(CITY, strict=True, description="A city"), CITY),
        (json_schema(CITY, strict=False), CITY),
        # What would switch a part of the schema off is no part of it.
        (json_schema({**CITY, "x-guidance": {"lenient": True}}), CITY),
    ],
)
def test_the_engine_gets_the_schema(
    http: httpx.Client, worker: ScriptedWorker, wanted: dict[str, Any], schema: dict[str, Any]
) -> None:
    http.post(CHAT, json=chat(response_format=wanted)).raise_for_status()
    assert worker.runs[0].payload["grammar"] == {"json_schema": schema}


def test_text_needs_no_grammar(http: httpx.Client, worker: ScriptedWorker) -> None:
    http.post(CHAT, json=chat(response_format={"type": "text"})).raise_for_status()
    assert "grammar" not in worker.runs[0].payload


UNENFORCEABLE: list[tuple[dict[str, Any], str]] = [
    ({"type": "array", "uniqueItems": True}, "uniqueItems"),
    ({"not": {"type": "string"}}, "not"),
    ({"if": {"type": "string"}, "then": {"minLength": 1}}, "if"),
    ({"type": "object", "propertyNames": {"maxLength": 3}}, "propertyNames"),
    ({"type": "object", "properties": {"a": {"dependentRequired": {"a": ["b"]}}}}, "dependentRequired"),
    ({"type": "array", "contains": {"const": 1}}, "contains"),
    ({"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 2}]}, "oneOf"),
    ({"type": "string", "pattern": "(?=a)b"}, "pattern"),
    ({"type": "string", "pattern": "^(?!a|b)c"}, "pattern"),
    ({"type": "string", "pattern": "["}, "pattern"),
    ({"$ref": "#/$defs/nowhere"}, "$ref"),
    ({"$ref": "https://example.com/schema"}, "$ref"),
    ({"type": "banana"}, "type"),
    ({"type": "object", "properties": 5}, "properties"),
    ({"type": "object", "required": "city"}, "required"),
    ({"type": "object", "minProperties": 1, "properties": {"a": {}, "b": {}}}, "minProperties"),
    ({"type": "integer", "minimum": 5, "maximum": 3}, "minimum"),
    ({"$ref": "#"}, "no text satisfies it"),
]


@pytest.mark.parametrize(("schema", "named"), UNENFORCEABLE, ids=[str(s)[:40] for s, _ in UNENFORCEABLE])
def test_what_cannot_be_enforced_is_named(
    http: httpx.Client, worker: ScriptedWorker, schema: dict[str, Any], named: str
) -> None:
    strict = check(http.post(CHAT, json=chat(response_format=json_schema(schema, strict=True))))
    assert named in strict["message"]
    assert (strict["param"], strict["code"]) == ("response_format.json_schema.schema", "invalid_json_schema")
    loose = check(http.post(CHAT, json=chat(response_format=json_schema(schema))))
    assert loose == strict
    beside = check(http.post(CHAT, json=chat(response_format={"type": "json_object", "schema": schema})))
    assert beside == {**strict, "param": "response_format.schema"}
    assert worker.runs == []


BROKEN: list[tuple[Any, str]] = [
    ({"type": "yaml"}, "response_format.type"),
    ({}, "response_format.type"),
    ("json", "response_format"),
    ({"type": "json_schema"}, "response_format.json_schema"),
    ({"type": "json_schema", "json_schema": {"schema": {}}}, "response_format.json_schema.name"),
    ({"type": "json_schema", "json_schema": {"name": "a b"}}, "response_format.json_schema.name"),
    ({"type": "json_schema", "json_schema": {"name": "a"}}, "response_format.json_schema.schema"),
    (json_schema("object"), "response_format.json_schema.schema"),
    (json_schema(nested(100)), "response_format.json_schema.schema"),
    (json_schema({"enum": ["x" * 200_000]}), "response_format.json_schema.schema"),
    ({"type": "json_object", "schema": nested(100)}, "response_format.schema"),
    ({"type": "json_object", "schema": 5}, "response_format.schema"),
]


@pytest.mark.parametrize(("wanted", "param"), BROKEN, ids=[str(w)[:50] for w, _ in BROKEN])
def test_broken_formats(http: httpx.Client, wanted: Any, param: str) -> None:
    assert check(http.post(CHAT, json=chat(response_format=wanted)))["param"] == param


def test_a_draft_model_is_told_by_its_id(http: httpx.Client, worker: ScriptedWorker) -> None:
    http.post(CHAT, json=chat(draft_model="other")).raise_for_status()
    assert worker.runs[0].payload["draft_model"] == "org/other"
    error = check(http.post(CHAT, json=chat(draft_model="nix")), 404)
    assert (error["param"], error["code"]) == ("draft_model", "model_not_found")
