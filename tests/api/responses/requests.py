"""Requests for responses, and what is read of their answers."""

import json
from typing import Any

import httpx

from tests.support.scripted_worker import Run

PATH = "/v1/responses"


def asked(said: Any = "Hello", **fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "input": said, **fields}


def post(http: httpx.Client, said: Any = "Hello", **fields: Any) -> dict[str, Any]:
    answer = http.post(PATH, json=asked(said, **fields))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def frames(text: str) -> list[str]:
    """The frames of a stream without keep-alives."""
    found = [frame for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    kept: list[str] = []
    for frame in found:
        # A repeated `in_progress` has the number of the event before it.
        if kept and number(frame) == number(kept[-1]):
            continue
        kept.append(frame)
    return kept


def number(frame: str) -> int:
    return int(event(frame)["sequence_number"])


def event(frame: str) -> dict[str, Any]:
    name, data = frame.split("\n")
    found: dict[str, Any] = json.loads(data.removeprefix("data: "))
    assert name == f"event: {found['type']}"
    return found


def stream(http: httpx.Client, said: Any = "Hello", **fields: Any) -> list[dict[str, Any]]:
    """The events, whose numbers have no gap."""
    answer = http.post(PATH, json=asked(said, stream=True, **fields))
    assert answer.status_code == 200, answer.text
    found = [event(frame) for frame in frames(answer.text)]
    assert [each["sequence_number"] for each in found] == list(range(len(found)))
    return found


FUNCTION: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": False,
}
CUSTOM: dict[str, Any] = {"type": "custom", "name": "run", "description": "Runs a program"}
NAMESPACE: dict[str, Any] = {
    "type": "namespace",
    "name": "agents",
    "description": "Other agents",
    "tools": [{**FUNCTION, "name": "spawn"}, {**FUNCTION, "name": "wait"}],
}


def calling(name: str, arguments: str = '{"city":"Ulm"}', *, text: str = "", reasoning: str = "") -> Any:
    """A script that calls a function, in pieces."""

    def play(run: Run) -> None:
        if reasoning:
            run.tell(reasoning, field="reasoning")
        if text:
            run.say(text)
        run.tell("", field="tool_call", call={"index": 0, "id": "call_1", "name": name})
        for start in range(0, len(arguments), 3):
            run.tell(arguments[start : start + 3], field="tool_call", call={"index": 0})
        run.answer(
            {
                "text": text,
                "reasoning": reasoning or None,
                "tool_calls": [{"id": "call_1", "name": name, "arguments": arguments}],
                "finish_reason": "tool_calls",
            }
        )

    return play
