"""Tools of responses: what the model is offered for each, and how its calls are given back."""

import json
from typing import Any

import httpx
import pytest

from tests.api.responses.requests import (
    CUSTOM,
    FUNCTION,
    NAMESPACE,
    PATH,
    asked,
    calling,
    post,
    stream,
)
from tests.support.openai_shape import check_events, check_shape
from tests.support.scripted_worker import ScriptedWorker


def test_a_custom_tool_gets_a_text_and_no_json(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(calling("run", '{"input": "print(\\"ö\\ud83d\\ude00\\")\\n"}'))
    events = stream(http, tools=[CUSTOM], tool_choice={"type": "custom", "name": "run"})
    check_events(events)
    whole = 'print("ö😀")\n'
    pieces = [each["delta"] for each in events if each["type"] == "response.custom_tool_call_input.delta"]
    assert "".join(pieces) == whole
    assert len(pieces) > 3
    item = events[-1]["response"]["output"][0]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "run", whole)
    assert worker.runs[-1].payload["tool_choice"] == {"name": "run"}
    output = {"type": "custom_tool_call_output", "call_id": item["call_id"], "output": "ok"}
    post(http, [{"role": "user", "content": "go"}, item, output], tools=[CUSTOM])
    said = worker.runs[-1].payload["messages"][1]["tool_calls"][0]["function"]
    assert said == {"name": "run", "arguments": '{"input":"print(\\"ö😀\\")\\n"}'}


@pytest.mark.parametrize("name", ["agents__spawn", "spawn"])
def test_a_call_in_a_namespace_is_given_back_in_it(
    http: httpx.Client, worker: ScriptedWorker, name: str
) -> None:
    worker.play(calling(name))
    found = post(http, tools=[NAMESPACE, FUNCTION])
    check_shape("Response", found)
    item = found["output"][0]
    assert (item["name"], item["namespace"], item["call_id"]) == ("spawn", "agents", "call_1")
    offered = [tool["function"]["name"] for tool in worker.runs[-1].payload["tools"]]
    assert offered == ["agents__spawn", "agents__wait", "get_weather"]


def test_tools_of_openais_servers_are_left_out_with_a_warning(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    hosted = [
        {"type": "web_search", "external_web_access": True},
        {"type": "image_generation"},
        {"type": "new"},
    ]
    answer = http.post(PATH, json=asked(tools=[*hosted, FUNCTION], tool_choice={"type": "web_search"}))
    assert answer.status_code == 200, answer.text
    assert "web_search, image_generation, new" in answer.headers["warning"]
    assert [tool["function"]["name"] for tool in worker.runs[-1].payload["tools"]] == ["get_weather"]
    assert "tool_choice" not in worker.runs[-1].payload


@pytest.mark.parametrize(
    ("kind", "arguments", "field"),
    [
        ("local_shell", '{"command": ["ls"], "timeout_ms": 5}', "action"),
        ("shell", '{"commands": ["ls", "pwd"]}', "action"),
        ("apply_patch", '{"type": "create_file", "path": "a", "diff": "+b"}', "operation"),
        ("tool_search", '{"query": "mail"}', "arguments"),
    ],
)
def test_tools_that_the_client_runs_have_items_of_their_own(
    http: httpx.Client, worker: ScriptedWorker, kind: str, arguments: str, field: str
) -> None:
    worker.play(calling(kind, arguments))
    tool = {"type": kind, **({"execution": "client"} if kind == "tool_search" else {})}
    events = stream(http, tools=[tool])
    check_events(events)
    item = events[-1]["response"]["output"][0]
    assert item["type"] == f"{kind}_call"
    assert item[field]
    post(http, [{"role": "user", "content": "go"}, item], tools=[tool])
    made = worker.runs[-1].payload["messages"][1]["tool_calls"][0]["function"]
    assert made["name"] == kind
    assert made["arguments"].replace(" ", "") == arguments.replace(" ", "")


def test_numbers_that_no_machine_has_are_repeated_as_they_are_read(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    body = json.dumps(asked(tools=[{"type": "new", "size": 1}])).replace('"size": 1', f'"size": {10**30}')
    answer = http.post(PATH, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["tools"] == [{"type": "new", "size": 1e30}]


@pytest.mark.parametrize(("definition", "enforced"), [("start: /.+/", True), ("start: /a(?=b)/", False)])
def test_tools_that_come_as_an_item_count(
    http: httpx.Client, worker: ScriptedWorker, definition: str, enforced: bool
) -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": definition}
    item = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [NAMESPACE, {**CUSTOM, "format": grammar}],
    }
    answer = http.post(PATH, json=asked([item, {"role": "user", "content": "go"}]))
    assert answer.status_code == 200, answer.text
    offered = worker.runs[-1].payload["tools"]
    assert [tool["function"]["name"] for tool in offered] == ["agents__spawn", "agents__wait", "run"]
    assert definition in offered[-1]["function"]["description"]
    assert list(worker.runs[-1].payload.get("tool_grammars") or ()) == (["run"] if enforced else [])
    assert ("described and not enforced: run" in answer.headers.get("warning", "")) is not enforced


@pytest.mark.parametrize(
    ("choice", "tools", "held"),
    [
        ("none", None, None),
        ("auto", ["get_weather", "agents__spawn", "agents__wait"], None),
        ("required", ["get_weather", "agents__spawn", "agents__wait"], "required"),
        (
            {"type": "function", "name": "spawn"},
            ["get_weather", "agents__spawn", "agents__wait"],
            {"name": "agents__spawn"},
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "get_weather"}],
            },
            ["get_weather"],
            "required",
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "get_weather"}, {"type": "mcp"}],
            },
            ["get_weather"],
            None,
        ),
    ],
)
def test_a_choice_among_tools(
    http: httpx.Client, worker: ScriptedWorker, choice: Any, tools: Any, held: Any
) -> None:
    post(http, tools=[FUNCTION, NAMESPACE], tool_choice=choice)
    payload = worker.runs[-1].payload
    offered = payload.get("tools")
    assert (offered and [tool["function"]["name"] for tool in offered]) == tools
    assert payload.get("tool_choice") == held
