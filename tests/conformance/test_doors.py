"""The same prompt and seed through every API: the same text, thoughts, calls and counts, whole and streamed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from transformers import AutoTokenizer

from tests.support.system import REPO, System

Json = dict[str, Any]
SYSTEM = "You are a helpful assistant."
#: One prompt and its sampling, in no API's words.
PARAMETERS: Json = {
    "type": "object",
    "properties": {"location": {"type": "string", "maxLength": 20}},
    "required": ["location"],
    "additionalProperties": False,
}
TOOL: Json = {"name": "get_weather", "description": "Get the current weather", "parameters": PARAMETERS}


@dataclass(frozen=True)
class Asked:
    question: str
    model: str = "tiny-chat"
    temperature: float = 1.0
    thinks: bool = False
    tool: Json | None = None


@dataclass(frozen=True)
class Said:
    """`cached`: tokens of `read` that were in the prompt cache; None where the API does not say it."""

    text: str
    thoughts: str
    calls: tuple[tuple[str, str], ...]
    read: int
    written: int
    cached: int | None


ASKED = {
    "a sampled answer": Asked("Hello!", model="random"),
    "a greedy answer": Asked("What is the capital of France?", temperature=0),
    "thoughts": Asked("What is the capital of Italy?", temperature=0, thinks=True),
    "a call": Asked("What's the weather in Tokyo?", temperature=0, tool=TOOL),
}
MOST = 40
#: Else the answer to a request with a seed is given again.
ANEW = {"cache-control": "no-cache"}


def call(name: str, arguments: Any) -> tuple[str, str]:
    """Arguments are text or an object, by the API."""
    return name, json.dumps(json.loads(arguments) if isinstance(arguments, str) else arguments)


def sampling(asked: Asked) -> Json:
    return {"model": asked.model, "temperature": asked.temperature, "seed": 7}


def conversation(asked: Asked) -> list[Json]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked.question}]


def events(system: System, path: str, body: Json) -> Iterator[Json]:
    """Those of a stream, of frames or of lines."""
    answer = system.http.post(path, json={**body, "stream": True}, headers=ANEW)
    assert answer.status_code == 200, answer.text
    for line in answer.text.splitlines():
        data = line.removeprefix("data: ")
        if data.startswith("{"):
            yield json.loads(data)


def whole(system: System, path: str, body: Json) -> Json:
    answer = system.http.post(path, json={**body, "stream": False}, headers=ANEW)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def counts(usage: Json, inputs: str, outputs: str) -> tuple[int, int, int]:
    """In OpenAI's words."""
    return usage[inputs], usage[outputs], usage[f"{inputs}_details"]["cached_tokens"]


def chat(system: System, asked: Asked, streamed: bool) -> Said:
    tools = {"tools": [{"type": "function", "function": asked.tool}]} if asked.tool else {}
    body = {
        **sampling(asked),
        **tools,
        "messages": conversation(asked),
        "max_tokens": MOST,
        "enable_thinking": asked.thinks,
    }
    path = "/v1/chat/completions"
    if not streamed:
        found = whole(system, path, body)
        message = found["choices"][0]["message"]
        calls = [call(**_function(each)) for each in message.get("tool_calls") or ()]
        said = message["content"] or "", message.get("reasoning_content") or "", tuple(calls)
        return Said(*said, *counts(found["usage"], "prompt_tokens", "completion_tokens"))
    chunks = list(events(system, path, {**body, "stream_options": {"include_usage": True}}))
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    parts: list[Json] = []
    for delta in deltas:
        for part in delta.get("tool_calls") or ():
            function = _function(part)
            if "name" in function:
                parts.append({"name": function["name"], "arguments": ""})
            parts[-1]["arguments"] += function.get("arguments", "")
    return Said(
        "".join(delta.get("content") or "" for delta in deltas),
        "".join(delta.get("reasoning_content") or "" for delta in deltas),
        tuple(call(**part) for part in parts),
        *counts(chunks[-1]["usage"], "prompt_tokens", "completion_tokens"),
    )


def _function(part: Json) -> Json:
    function: Json = part["function"]
    return function


def responses(system: System, asked: Asked, streamed: bool) -> Said:
    tools = {"tools": [{"type": "function", **asked.tool}]} if asked.tool else {}
    body = {
        **sampling(asked),
        **tools,
        "instructions": SYSTEM,
        "input": asked.question,
        "max_output_tokens": MOST,
        "enable_thinking": asked.thinks,
    }
    if not streamed:
        response = whole(system, "/v1/responses", body)
    else:
        found = list(events(system, "/v1/responses", body))
        response = found[-1]["response"]
        texts = "".join(each["delta"] for each in found if each["type"] == "response.output_text.delta")
        assert texts == "".join(_texts(response, "message"))
    calls = [
        call(each["name"], each["arguments"])
        for each in response["output"]
        if each["type"] == "function_call"
    ]
    return Said(
        "".join(_texts(response, "message")),
        "".join(_texts(response, "reasoning")),
        tuple(calls),
        *counts(response["usage"], "input_tokens", "output_tokens"),
    )


def _texts(response: Json, kind: str) -> list[str]:
    return [part["text"] for item in response["output"] if item["type"] == kind for part in item["content"]]


def messages(system: System, asked: Asked, streamed: bool) -> Said:
    tool = asked.tool and {
        "name": asked.tool["name"],
        "description": asked.tool["description"],
        "input_schema": asked.tool["parameters"],
    }
    body = {
        **sampling(asked),
        **({"tools": [tool]} if tool else {}),
        "system": SYSTEM,
        "messages": [{"role": "user", "content": asked.question}],
        "max_tokens": MOST,
        "thinking": {"type": "enabled", "budget_tokens": MOST} if asked.thinks else {"type": "disabled"},
    }
    if not streamed:
        message = whole(system, "/v1/messages", body)
        blocks, usage = message["content"], message["usage"]
    else:
        blocks, usage = [], {}
        for event in events(system, "/v1/messages", body):
            match event["type"]:
                case "content_block_start":
                    blocks.append({**event["content_block"], "input": ""})
                case "content_block_delta":
                    for name, piece in event["delta"].items():
                        place = "input" if name == "partial_json" else name
                        if place != "type":
                            blocks[-1][place] += piece
                case "message_delta":
                    usage = event["usage"]
    return Said(
        "".join(block["text"] for block in blocks if block["type"] == "text"),
        "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        tuple(call(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"),
        usage["input_tokens"] + usage["cache_read_input_tokens"],
        usage["output_tokens"],
        usage["cache_read_input_tokens"],
    )


def ollama_chat(system: System, asked: Asked, streamed: bool) -> Said:
    tools = {"tools": [{"type": "function", "function": asked.tool}]} if asked.tool else {}
    body = {**_ollama(asked), **tools, "messages": conversation(asked)}
    lines = list(events(system, "/api/chat", body)) if streamed else [whole(system, "/api/chat", body)]
    told = [line["message"] for line in lines]
    calls = [call(**_arguments(each)) for message in told for each in message.get("tool_calls") or ()]
    return Said(
        "".join(message["content"] for message in told),
        "".join(message.get("thinking", "") for message in told),
        tuple(calls),
        lines[-1]["prompt_eval_count"],
        lines[-1]["eval_count"],
        None,
    )


def ollama_generate(system: System, asked: Asked, streamed: bool) -> Said:
    body = {**_ollama(asked), "system": SYSTEM, "prompt": asked.question}
    lines = (
        list(events(system, "/api/generate", body)) if streamed else [whole(system, "/api/generate", body)]
    )
    text = "".join(line["response"] for line in lines)
    thoughts = "".join(line.get("thinking", "") for line in lines)
    return Said(text, thoughts, (), lines[-1]["prompt_eval_count"], lines[-1]["eval_count"], None)


def _ollama(asked: Asked) -> Json:
    options = {"temperature": asked.temperature, "seed": 7, "num_predict": MOST}
    return {"model": asked.model, "options": options, "think": asked.thinks}


def _arguments(call: Json) -> Json:
    return {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}


def completions(system: System, asked: Asked, streamed: bool) -> Said:
    """The prompt as its tokens: completions know no templates."""
    tokenizer = AutoTokenizer.from_pretrained(REPO / "models" / "tiny-chat")
    prompt = tokenizer.apply_chat_template(
        conversation(asked), add_generation_prompt=True, tokenize=True, return_dict=False
    )
    body = {**sampling(asked), "prompt": prompt, "max_tokens": MOST}
    if not streamed:
        found = whole(system, "/v1/completions", body)
        text, usage = found["choices"][0]["text"], found["usage"]
    else:
        chunks = list(events(system, "/v1/completions", {**body, "stream_options": {"include_usage": True}}))
        text, usage = (
            "".join(choice["text"] for chunk in chunks for choice in chunk["choices"]),
            chunks[-1]["usage"],
        )
    return Said(text, "", (), *counts(usage, "prompt_tokens", "completion_tokens"))


Door = Callable[[System, Asked, bool], Said]


@pytest.mark.parametrize("name", ASKED)
def test_every_door_gives_the_same_answer(system: System, name: str) -> None:
    asked = ASKED[name]
    doors: list[Door] = [chat, responses, messages, ollama_chat]
    if asked.tool is None:
        doors.append(ollama_generate)
        # The thoughts of a completion are its text, and a template of random weights is another file.
        if not asked.thinks and asked.model == "tiny-chat":
            doors.append(completions)
    first = chat(system, asked, False)
    assert first.text or first.calls
    assert bool(first.thoughts) == asked.thinks
    assert first.written > 0
    # The prompt was read now: of every further one the same is cached.
    cached = chat(system, asked, False).cached
    assert cached
    for door in doors:
        for streamed in (False, True):
            said = door(system, asked, streamed)
            if said.cached is not None:
                assert said.cached == cached, (door, streamed)
            assert said == Said(**{**vars(first), "cached": said.cached}), (door, streamed)


def test_a_call_and_its_result_are_the_same_prompt(system: System) -> None:
    """What agents send in their second turn: each API has a shape of its own for it."""
    question = ASKED["a call"].question
    arguments, result = {"location": "Tokyo"}, '{"temperature": 22, "conditions": "sunny"}'
    function = {"name": "get_weather", "arguments": json.dumps(arguments)}
    user = {"role": "user", "content": question}
    tool = {"type": "function", "function": TOOL}
    found = whole(
        system,
        "/v1/chat/completions",
        {
            "model": "tiny-chat",
            "temperature": 0,
            "tools": [tool],
            "messages": [
                user,
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c", "type": "function", "function": function}],
                },
                {"role": "tool", "tool_call_id": "c", "content": result},
            ],
        },
    )
    text, used = found["choices"][0]["message"]["content"], found["usage"]
    assert "22" in text
    response = whole(
        system,
        "/v1/responses",
        {
            "model": "tiny-chat",
            "temperature": 0,
            "tools": [{"type": "function", **TOOL}],
            "input": [
                user,
                {"type": "function_call", "call_id": "c", **function},
                {"type": "function_call_output", "call_id": "c", "output": result},
            ],
        },
    )
    assert "".join(_texts(response, "message")) == text
    assert response["usage"]["input_tokens"] == used["prompt_tokens"]
    assert response["usage"]["input_tokens_details"]["cached_tokens"] == used["prompt_tokens"] - 1
    message = whole(
        system,
        "/v1/messages",
        {
            "model": "tiny-chat",
            "temperature": 0,
            "max_tokens": 100,
            "tools": [{"name": TOOL["name"], "description": TOOL["description"], "input_schema": PARAMETERS}],
            "messages": [
                user,
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "c", "name": "get_weather", "input": arguments}],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "c", "content": result}],
                },
            ],
        },
    )
    assert message["content"][0]["text"] == text
    assert message["usage"]["input_tokens"] == 1
    line = whole(
        system,
        "/api/chat",
        {
            "model": "tiny-chat",
            "options": {"temperature": 0},
            "tools": [tool],
            "messages": [
                user,
                {"role": "assistant", "tool_calls": [{"function": {**function, "arguments": arguments}}]},
                {"role": "tool", "tool_name": "get_weather", "content": result},
            ],
        },
    )
    assert line["message"]["content"] == text
    assert line["prompt_eval_count"] == used["prompt_tokens"]
