"""The compliance cases of Open Responses, with the fields that its own schema requires of a response.

Left out are its cases of a file search and a web search, which are optional there and are not served here, and that
of an image, which tests/system/test_vision.py has.
"""

import base64
from typing import Any

import pytest

from tests.api.responses.requests import PATH, event, frames
from tests.support.openai_shape import check_events, check_shape
from tests.support.pdf import pdf
from tests.support.system import System

REQUIRED = {
    *("id", "object", "created_at", "completed_at", "status", "incomplete_details", "model"),
    *("previous_response_id", "instructions", "output", "error", "tools", "tool_choice", "truncation"),
    *("parallel_tool_calls", "text", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs"),
    *("temperature", "reasoning", "usage", "max_output_tokens", "max_tool_calls", "store", "background"),
    *("service_tier", "metadata", "safety_identifier", "prompt_cache_key"),
}
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
        },
        "required": ["location"],
    },
}
WEATHER = "What's the weather like in San Francisco?"


def message(role: str, content: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def part(**fields: str) -> dict[str, str]:
    return fields


TITLE = base64.b64encode(pdf("A file as input")).decode()
CASES: dict[str, dict[str, Any]] = {
    "basic-response": {"input": [message("user", "Say hello in exactly 3 words.")]},
    "system-prompt": {
        "input": [message("system", "You are a pirate. Speak as one."), message("user", "Say hello.")]
    },
    "tool-calling": {"input": [message("user", WEATHER)], "tools": [TOOL]},
    "file-input": {
        "input": [
            message(
                "user",
                [
                    part(type="input_text", text="Read the attached file and answer with its title only."),
                    part(
                        type="input_file",
                        filename="a.pdf",
                        file_data=f"data:application/pdf;base64,{TITLE}",
                    ),
                ],
            )
        ]
    },
    "multi-turn": {
        "input": [
            message("user", "My name is Alice."),
            message("assistant", "Hello Alice! Nice to meet you. How can I help you today?"),
            message("user", "What is my name?"),
        ]
    },
}


def answered(system: System, body: dict[str, Any]) -> dict[str, Any]:
    answer = system.http.post(PATH, json={"model": "tiny-chat", "temperature": 0, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    check_shape("Response", found)
    assert found.keys() >= REQUIRED
    assert found["status"] == "completed"
    assert found["output"]
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_case(system: System, case: str, streamed: bool) -> None:
    body = CASES[case]
    found = answered(system, body)
    if streamed:
        text = system.http.post(
            PATH, json={"model": "tiny-chat", "temperature": 0, "stream": True, **body}
        ).text
        events = [event(frame) for frame in frames(text)]
        check_events(events)
        found = events[-1]["response"]
        assert found.keys() >= REQUIRED
        assert found["status"] == "completed"
    if case != "tool-calling":
        return
    assert "function_call" in [item["type"] for item in found["output"]]
    if streamed:
        kinds = [each["type"] for each in events]
        assert "response.function_call_arguments.delta" in kinds
        assert "response.function_call_arguments.done" in kinds
        for kind in ("added", "done"):
            items = [each["item"] for each in events if each["type"] == f"response.output_item.{kind}"]
            assert "function_call" in [item["type"] for item in items]


def test_function_call_roundtrip(system: System) -> None:
    """The second request has neither the tools nor the call: the server holds them."""
    first = answered(
        system,
        {
            "input": "Use the weather tool to get the temperature in San Francisco.",
            "tools": [TOOL],
            "tool_choice": {"type": "function", "name": "get_weather"},
            "max_output_tokens": 400,
        },
    )
    call = next(item for item in first["output"] if item["type"] == "function_call")
    output = {
        "type": "function_call_output",
        "call_id": call["call_id"],
        "output": "64 degrees and clear",
    }
    second = answered(system, {"previous_response_id": first["id"], "input": [output]})
    assert second["previous_response_id"] == first["id"]


def test_previous_response_id(system: System) -> None:
    first = answered(system, {"input": "Remember this code word: papaya. Reply with only OK."})
    second = answered(
        system, {"previous_response_id": first["id"], "input": "What code word did I ask you to remember?"}
    )
    assert second["usage"]["input_tokens"] > first["usage"]["total_tokens"]
