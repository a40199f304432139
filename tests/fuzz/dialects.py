"""Good bodies of the APIs beside OpenAI's older ones: Responses, Anthropic's Messages, Ollama's."""

from random import Random
from typing import Any

from tests.fuzz.bodies import CHAT, FUNCTION, PNG64, SCHEMA, TOOL


def response(rng: Random) -> dict[str, Any]:
    body: dict[str, Any] = {"model": CHAT, "input": "Hi", "max_output_tokens": rng.randrange(1, 4)}
    custom = {
        "type": "custom",
        "name": "c",
        "format": {"type": "grammar", "syntax": "regex", "definition": "a+"},
    }
    tool = {"type": "function", **FUNCTION, "strict": True}
    lark = {"type": "grammar", "syntax": "lark", "definition": 'start: "a" /b+/ NL\n%import common.LF -> NL'}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "t"}]}
    extras: tuple[dict[str, Any], ...] = (
        {"stream": True, "instructions": "s"},
        {
            "tools": [tool, custom, {"type": "web_search"}],
            "tool_choice": rng.choice(("auto", "none", "required")),
        },
        {"tools": [{**custom, "format": lark}], "tool_choice": {"type": "custom", "name": "c"}},
        {"tools": [{"type": "namespace", "name": "n", "description": "d", "tools": [tool]}], "stream": True},
        {"text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA, "strict": True}}},
        {"text": {"format": {"type": "json_object"}, "verbosity": "low"}},
        {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
        {"top_logprobs": 2, "include": ["message.output_text.logprobs"]},
        {"background": True, "metadata": {"a": "b"}},
        {"previous_response_id": "resp_" + "0" * 24, "store": False},
        {"truncation": "auto", "parallel_tool_calls": False, "prompt_cache_key": "k"},
        {
            "input": [
                {"role": "developer", "content": "s"},
                {"role": "user", "content": [{"type": "input_text", "text": "u"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "h"}]},
                said,
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
                {"type": "function_call_output", "call_id": "c1", "output": "r"},
                {"type": "custom_tool_call", "call_id": "c2", "name": "c", "input": "aa"},
                {
                    "type": "custom_tool_call_output",
                    "call_id": "c2",
                    "output": [{"type": "input_text", "text": "r"}],
                },
            ]
        },
        {
            "input": [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG64}"},
                        {
                            "type": "input_file",
                            "filename": "a.txt",
                            "file_data": "data:text/plain;base64,SGk=",
                        },
                    ],
                }
            ]
        },
    )
    for extra in rng.sample(extras, rng.randrange(3)):
        body |= extra
    return body


def conversation(rng: Random) -> dict[str, Any]:
    """What of a message of Anthropic's is counted."""
    body: dict[str, Any] = {"model": CHAT, "messages": [{"role": "user", "content": "Hi"}]}
    tool = {"name": "f", "description": "d", "input_schema": SCHEMA}
    source = {"type": "base64", "media_type": "image/png", "data": PNG64}
    extras: tuple[dict[str, Any], ...] = (
        {"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
        {"tools": [tool], "tool_choice": {"type": rng.choice(("auto", "any", "none"))}},
        {
            "tools": [tool, {"type": "bash_20250124", "name": "bash"}],
            "tool_choice": {"type": "tool", "name": "f"},
        },
        {"thinking": {"type": "enabled", "budget_tokens": 9}, "output_config": {"effort": "low"}},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]},
        {"thread": {"type": "create"}},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "u"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "h", "signature": "s"},
                        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "c1",
                            "content": [{"type": "text", "text": "r"}],
                        },
                        {
                            "type": "document",
                            "source": {"type": "text", "media_type": "text/plain", "data": "d"},
                        },
                    ],
                },
                {"role": "system", "content": "s"},
            ]
        },
    )
    for extra in rng.sample(extras, rng.randrange(3)):
        body |= extra
    return body


def message(rng: Random) -> dict[str, Any]:
    more = rng.choice(
        (
            {},
            {"stream": True},
            {"stop_sequences": ["x"], "temperature": 1, "top_k": 3},
            {"metadata": {"user_id": "u"}},
        )
    )
    return {**conversation(rng), "max_tokens": rng.randrange(4), **more}


def ollama_chat(rng: Random) -> dict[str, Any]:
    body = _ollama(rng, {"messages": [{"role": "user", "content": "Hi"}]})
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    return body | rng.choice(
        (
            {},
            {"tools": [TOOL]},
            {"messages": []},
            {"messages": [{"role": "user", "content": "Hi", "images": [PNG64]}]},
            {
                "messages": [
                    {"role": "user", "content": "u"},
                    {"role": "assistant", "content": "", "thinking": "h", "tool_calls": [call]},
                    {"role": "tool", "tool_name": "f", "content": "r"},
                ]
            },
            {"truncate": True},
        )
    )


def ollama_prompt(rng: Random) -> dict[str, Any]:
    more: tuple[dict[str, Any], ...] = (
        {},
        {"raw": True},
        {"system": "s"},
        {"prompt": ""},
        {"images": [PNG64]},
    )
    return _ollama(rng, {"prompt": "Hi"}) | rng.choice(more)


def _ollama(rng: Random, asked: dict[str, Any]) -> dict[str, Any]:
    options = {
        "num_predict": rng.randrange(1, 4),
        "temperature": 1,
        "seed": 3,
        "stop": ["x"],
        "num_ctx": None,
    }
    more: tuple[dict[str, Any], ...] = (
        {},
        {"stream": False},
        {"think": rng.choice((True, False, "low"))},
        {"format": rng.choice(("json", SCHEMA))},
        {"keep_alive": rng.choice(("5m", -1, 300))},
    )
    return {"model": CHAT, **asked, "options": options} | rng.choice(more)


def ollama_input(rng: Random) -> dict[str, Any]:
    return {"model": CHAT, "input": rng.choice(("a", ["a", "b"])), "prompt": "a", "truncate": True}


def ollama_model(rng: Random) -> dict[str, Any]:
    return {rng.choice(("model", "name")): rng.choice((CHAT, "org/none")), "stream": rng.random() < 0.5}
