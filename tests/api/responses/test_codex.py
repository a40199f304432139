"""The first request of Codex as it was seen: 40 KB, no instructions, tools of all kinds, an answer with a call."""

from typing import Any

import httpx

from tests.api.responses.requests import FUNCTION, PATH, calling, event, frames
from tests.support.openai_shape import check_events
from tests.support.scripted_worker import ScriptedWorker


def _function(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": [], "additionalProperties": False}
    return {
        "type": "function",
        "name": name,
        "description": f"{name}. " * 40,
        "strict": False,
        "parameters": parameters,
    }


TOOLS: list[dict[str, Any]] = [
    _function(
        "exec_command",
        cmd={"type": "string"},
        timeout={"type": "number"},
        login={"type": "boolean"},
        kind={"type": "string", "enum": ["a", "b"]},
    ),
    _function("write_stdin", chars={"type": "string"}, session_id={"type": "integer"}),
    _function("request_user_input", questions={"type": "array", "items": {"type": "object"}}),
    _function("view_image", path={"type": "string"}),
    *(_function(name) for name in ("get_goal", "create_goal", "update_goal")),
    {
        "type": "namespace",
        "name": "multi_agent_v1",
        "description": "Other agents",
        "tools": [_function(name) for name in ("spawn_agent", "send_input", "wait", "close", "resume")],
    },
    {"type": "web_search", "external_web_access": True},
]


def body(**fields: Any) -> dict[str, Any]:
    """A first turn; the system prompt is the developer's first message."""
    return {
        "model": "tiny",
        "input": [
            _message("developer", "You are a coding agent. " * 700, "msg_019a"),
            _message("developer", "<permissions>full</permissions>", "msg_019b"),
            _message("user", "<environment_context>cwd</environment_context>", "msg_019c"),
            _message("user", "Write hello to a file.", "msg_019d"),
        ],
        "tools": TOOLS,
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "019a-thread",
        "client_metadata": {"originator": "codex_exec", "turn": "1"},
        **fields,
    }


def _message(role: str, text: str, item_id: str) -> dict[str, Any]:
    part = {"type": "output_text" if role == "assistant" else "input_text", "text": text}
    return {"type": "message", "role": role, "id": item_id, "content": [part]}


def test_a_turn_of_codex(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(calling("exec_command", '{"cmd":"echo hello > a"}', reasoning="A file."))
    answer = http.post(PATH, json=body(), headers={"accept": "text/event-stream"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["warning"].count("299") == 1
    assert "web_search" in answer.headers["warning"]
    events = [event(frame) for frame in frames(answer.text)]
    check_events(events)
    done = [each["item"] for each in events if each["type"] == "response.output_item.done"]
    assert [item["type"] for item in done] == ["reasoning", "function_call"]
    assert events[-1]["response"]["usage"]["total_tokens"] > 0
    payload = worker.runs[-1].payload
    assert [message["role"] for message in payload["messages"]] == ["system", "system", "user", "user"]
    assert len(payload["tools"]) == 12
    output = {"type": "function_call_output", "id": "fco_1", "call_id": "call_1", "output": "Exit code: 0"}
    second = body(input=[*body()["input"], *done, output])
    assert http.post(PATH, json=second).text.count("event: response.completed") == 1
    turn = worker.runs[-1].payload["messages"][4]
    assert turn["reasoning_content"] == "A file."
    assert turn["tool_calls"][0]["function"]["name"] == "exec_command"


def test_tools_as_an_item_with_a_grammar(http: httpx.Client, worker: ScriptedWorker) -> None:
    """How Codex sends them for names of models that it knows."""
    patch = {
        "type": "custom",
        "name": "apply_patch",
        "description": "Edits files",
        "format": {
            "type": "grammar",
            "syntax": "lark",
            "definition": 'start: "*** Begin Patch" LF hunk+ "*** End Patch" LF?\n%import common.LF',
        },
    }
    tools = [{"type": "namespace", "name": "shell", "description": "x", "tools": [FUNCTION, patch]}]
    item = {"type": "additional_tools", "role": "developer", "tools": tools}
    sent = body(input=[item, *body()["input"]], tools=[], reasoning={"context": "all_turns"})
    worker.play(calling("shell__apply_patch", '{"input":"*** Begin Patch\\n"}'))
    answer = http.post(PATH, json=sent)
    assert answer.status_code == 200, answer.text
    made = event(frames(answer.text)[-1])["response"]["output"][0]
    assert (made["type"], made["namespace"], made["name"]) == ("custom_tool_call", "shell", "apply_patch")
    assert made["input"] == "*** Begin Patch\n"
