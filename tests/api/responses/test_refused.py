"""Requests that no response can be made of: each a 4xx in OpenAI's shape, which names the field."""

from typing import Any

import httpx
import pytest

from tests.api.responses.requests import CUSTOM, FUNCTION, PATH, asked
from tests.support.openai_shape import check_shape

USER = {"role": "user", "content": "Hi"}


def item(**fields: Any) -> dict[str, Any]:
    return asked([USER, fields])


#: A body, and the parameter that is named.
REFUSED: list[tuple[Any, str | None]] = [
    ([], None),
    ("text", None),
    ({}, "model"),
    ({"model": 1, "input": "x"}, "model"),
    ({"model": "tiny"}, "input"),
    (asked(None), "input"),
    (asked(1), "input"),
    (asked({}), "input"),
    (asked([]), "input"),
    (asked([1]), "input[0]"),
    (asked([None]), "input[0]"),
    (asked([[]]), "input[0]"),
    (asked([{}]), "input[0].role"),
    (asked([{"type": "message"}]), "input[0].role"),
    (asked([{"role": "user"}]), "input[0].content"),
    (asked([{"role": "robot", "content": "x"}]), "input[0].role"),
    (asked([{"role": "user", "content": 5}]), "input[0].content"),
    (asked([{"role": "user", "content": [{}]}]), "input[0].content"),
    (asked([{"role": "user", "content": [{"type": "input_audio"}]}]), "input[0].content"),
    (asked([{"role": "user", "content": [{"type": "input_text"}]}]), "input[0].content"),
    (asked([{"role": "user", "content": [{"type": "input_image"}]}]), "input[0].content"),
    (asked([{"type": "telepathy", "content": "x"}]), "input[0].type"),
    (asked([{"type": 5}]), "input[0].type"),
    (asked([{"type": "item_reference"}]), "input[0].id"),
    (item(type="function_call", name="f", arguments="{}"), "input[1].call_id"),
    (item(type="function_call", call_id="c", arguments="{}"), "input[1].name"),
    (item(type="custom_tool_call", call_id="c", name="f"), "input[1].input"),
    (item(type="function_call_output", call_id="c"), "input[1].output"),
    (item(type="function_call_output", call_id=5, output="x"), "input[1].call_id"),
    (item(type="function_call_output", call_id="c", output={"a": 1}), "input[1].output"),
    (item(type="reasoning", summary="x"), "input[1].summary"),
    (item(type="reasoning", summary=[{"type": "summary_text"}]), "input[1].summary[0].text"),
    (item(type="additional_tools", role="developer"), "input[1].tools"),
    (item(type="compaction"), "input[1].encrypted_content"),
    (asked(temperature=3), "temperature"),
    (asked(temperature="hot"), "temperature"),
    (asked(top_p=2), "top_p"),
    (asked(top_logprobs=21), "top_logprobs"),
    (asked(max_output_tokens=0), "max_output_tokens"),
    (asked(max_output_tokens=1.5), "max_output_tokens"),
    (asked(stream="yes"), "stream"),
    (asked(store=1), "store"),
    (asked(background=True, store=False), "background"),
    (asked(include="all"), "include"),
    (asked(metadata={"a": 1}), "metadata.a"),
    (asked(metadata={"a" * 65: "x"}), "metadata"),
    (asked(metadata={str(number): "x" for number in range(17)}), "metadata"),
    (asked(reasoning={"effort": "enormous"}), "reasoning.effort"),
    (asked(reasoning="high"), "reasoning"),
    (asked(truncation="sometimes"), "truncation"),
    (asked(service_tier="gold"), "service_tier"),
    (asked(text={"format": {"type": "xml"}}), "text.format"),
    (asked(text={"format": {"type": "json_schema", "name": "x"}}), "text.format.schema"),
    (asked(text={"format": {"type": "json_schema", "schema": {}}}), "text.format.name"),
    (
        asked(text={"format": {"type": "json_schema", "name": "x", "schema": {"not": {}}}}),
        "text.format.schema",
    ),
    (asked(tools={}), "tools"),
    (asked(tools=[{}]), "tools[0].type"),
    (asked(tools=[{"type": "function"}]), "tools[0].name"),
    (asked(tools=[{**FUNCTION, "name": "no spaces"}]), "tools[0].name"),
    (asked(tools=[{**FUNCTION, "parameters": {"type": "array"}}]), "tools[0].parameters"),
    (asked(tools=[{**CUSTOM, "format": {"type": "grammar", "syntax": "bnf"}}]), "tools[0].format.syntax"),
    (asked(tools=[{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]), "tools[0].tools[0]"),
    (asked(tool_choice="must"), "tool_choice"),
    (asked(tool_choice="required"), "tool_choice"),
    (asked(tool_choice={"type": "function"}), "tool_choice"),
    (asked(tools=[FUNCTION], tool_choice={"type": "function", "name": "g"}), "tool_choice"),
    (asked(tools=[FUNCTION], tool_choice={"type": "custom", "name": "get_weather"}), "tool_choice"),
    (
        asked(tools=[FUNCTION], tool_choice={"type": "allowed_tools", "mode": "auto", "tools": []}),
        "tool_choice",
    ),
    (asked(previous_response_id=5), "previous_response_id"),
    (asked(previous_response_id="resp_1"), "previous_response_id"),
    (asked(conversation="conv_1"), "conversation"),
    (asked(prompt={"id": "pmpt_1"}), "prompt"),
    (asked(instructions=["x"]), "instructions"),
]


@pytest.mark.parametrize("stream", [False, True])
def test_bad_input_is_refused_with_its_field(http: httpx.Client, stream: bool) -> None:
    wrong = []
    for body, param in REFUSED:
        sent = (
            {**body, "stream": True} if stream and isinstance(body, dict) and "stream" not in body else body
        )
        answer = http.post(PATH, json=sent)
        found = answer.json()
        check_shape("ErrorResponse", found)
        if not 400 <= answer.status_code < 500 or found["error"]["param"] != param:
            wrong.append((body, answer.status_code, found["error"]))
    assert not wrong, wrong
