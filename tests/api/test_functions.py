"""Functions as they were called before there were tools, and the bodies of OpenAI's own tests."""

import json
from typing import Any

import httpx
import openai
import pytest

from tests.api.requests import TIME, WEATHER, chat, chunks, completion
from tests.api.test_bad_input import check
from tests.support.openai_shape import check_chunks, check_shape
from tests.support.scripted_worker import Run, ScriptedWorker

CHAT = "/v1/chat/completions"
FUNCTIONS = [WEATHER["function"], TIME["function"]]
ARGUMENTS = '{"city": "Paris"}'


def call(run: Run) -> None:
    """In pieces, as an engine tells it."""
    opening = {"index": 0, "id": "call_1", "name": "get_weather"}
    if run.claim.stream:
        run.tell(ARGUMENTS[:8], field="tool_call", call=opening)
        run.tell(ARGUMENTS[8:], field="tool_call", call={"index": 0})
    calls = [{"id": "call_1", "name": "get_weather", "arguments": ARGUMENTS}]
    run.answer({"finish_reason": "tool_calls", "tool_calls": calls})


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, {"tools": [WEATHER, TIME], "parallel_tool_calls": False}),
        ({"function_call": "auto"}, {"tools": [WEATHER, TIME], "parallel_tool_calls": False}),
        ({"function_call": "none"}, {}),
        (
            {"function_call": {"name": "get_time"}},
            {"tools": [WEATHER, TIME], "parallel_tool_calls": False, "tool_choice": {"name": "get_time"}},
        ),
    ],
    ids=str,
)
def test_functions_are_tools_to_the_engine(
    http: httpx.Client, worker: ScriptedWorker, choice: dict[str, Any], expected: dict[str, Any]
) -> None:
    http.post(CHAT, json=chat(functions=FUNCTIONS, **choice)).raise_for_status()
    payload = worker.runs[-1].payload
    assert {name: value for name, value in payload.items() if name != "messages"} == expected


def test_a_call_is_answered_as_it_was(http: httpx.Client, sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    worker.play(call, call)
    body = chat(functions=FUNCTIONS)
    answer = sdk.chat.completions.create(**body).choices[0]
    assert answer.finish_reason == "function_call"
    assert answer.message.function_call is not None
    assert (answer.message.function_call.name, answer.message.function_call.arguments) == (
        "get_weather",
        ARGUMENTS,
    )
    assert (answer.message.tool_calls, answer.message.content) == (None, None)
    whole = http.post(CHAT, json=body).json()
    check_shape("CreateChatCompletionResponse", whole)
    job = http.get(f"/v1/jobs/{whole['id']}").json()
    assert job["result"]["choices"] == whole["choices"]


def test_a_call_is_streamed_as_it_was(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(call)
    with http.stream("POST", CHAT, json=chat(functions=FUNCTIONS, stream=True)) as answer:
        found = chunks([line for line in answer.iter_lines() if line])
    check_chunks("CreateChatCompletionStreamResponse", found)
    deltas = [each["choices"][0]["delta"] for each in found]
    told = [delta["function_call"] for delta in deltas if "function_call" in delta]
    assert not any("tool_calls" in delta for delta in deltas)
    assert told[0]["name"] == "get_weather"
    assert "".join(each["arguments"] for each in told) == ARGUMENTS
    assert found[-1]["choices"][0]["finish_reason"] == "function_call"


def test_a_conversation_with_functions_goes_on(http: httpx.Client, worker: ScriptedWorker) -> None:
    messages = [
        {"role": "user", "content": "What is the weather in Paris?"},
        {
            "role": "assistant",
            "content": None,
            "function_call": {"name": "get_weather", "arguments": ARGUMENTS},
        },
        {"role": "function", "name": "get_weather", "content": "rain"},
    ]
    http.post(CHAT, json={"model": "tiny", "messages": messages, "functions": FUNCTIONS}).raise_for_status()
    told = worker.runs[-1].payload["messages"]
    assert told[1]["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": ARGUMENTS}
    assert (told[2]["role"], told[2]["content"]) == ("tool", "rain")


def test_tools_win_over_functions(http: httpx.Client, worker: ScriptedWorker) -> None:
    answer = http.post(CHAT, json=chat(tools=[TIME], functions=FUNCTIONS[:1], function_call="none"))
    assert "functions are ignored" in answer.headers["warning"]
    assert worker.runs[-1].payload["tools"] == [TIME]


TOOL: dict[str, Any] = {
    "function": {
        "name": "name",
        "description": "description",
        "parameters": {"foo": "bar"},
        "strict": True,
    },
    "type": "function",
}
#: The parameters that the tests of openai-python send, all at once: placeholders of its generator.
ALL: dict[str, Any] = {
    "messages": [{"content": "string", "role": "developer", "name": "name"}],
    "model": "tiny",
    "audio": {"format": "wav", "voice": "string"},
    "frequency_penalty": -2,
    "function_call": "none",
    "functions": [{"name": "name", "description": "description", "parameters": {"foo": "bar"}}],
    "logit_bias": {"foo": 0},
    "logprobs": True,
    "max_completion_tokens": 0,
    "max_tokens": 0,
    "metadata": {"foo": "string"},
    "modalities": ["text"],
    "n": 1,
    "parallel_tool_calls": True,
    "prediction": {"content": "string", "type": "content"},
    "presence_penalty": -2,
    "prompt_cache_key": "prompt-cache-key-1234",
    "prompt_cache_retention": "in-memory",
    "reasoning_effort": "none",
    "response_format": {"type": "text"},
    "safety_identifier": "safety-identifier-1234",
    "seed": -9007199254740991,
    "service_tier": "auto",
    "stop": "\n",
    "store": True,
    "stream_options": {"include_obfuscation": True, "include_usage": True},
    "temperature": 1,
    "tool_choice": "none",
    "tools": [TOOL, TOOL, TOOL],
    "top_logprobs": 0,
    "top_p": 1,
    "user": "user-1234",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}


@pytest.mark.parametrize("modalities", [["text"], ["text", "audio"]])
@pytest.mark.parametrize("streams", [False, True])
def test_all_of_openais_parameters_at_once(
    http: httpx.Client, worker: ScriptedWorker, streams: bool, modalities: list[str]
) -> None:
    answer = http.post(CHAT, json={**ALL, "modalities": modalities, "stream": streams})
    assert answer.status_code == 200, answer.text
    for words in ("ignored fields: web_search_options", "no audio is made", "functions are ignored"):
        assert words in answer.headers["warning"]

    payload = worker.runs[-1].payload
    assert (payload["max_tokens"], payload["seed"], payload["logprobs"]) == (0, ALL["seed"], 0)
    assert not payload.get("logit_bias")
    assert "tools" not in payload


def test_a_bias_of_nothing_is_nothing(http: httpx.Client, worker: ScriptedWorker) -> None:
    http.post(CHAT, json=chat(logit_bias={"foo": 0, "5": -1.5, "7": 0})).raise_for_status()
    assert worker.runs[-1].payload["logit_bias"] == {"5": -1.5, "7": 0}
    http.post("/v1/completions", json=completion(logit_bias={"foo": 0}, best_of=0)).raise_for_status()
    error = check(http.post(CHAT, json=chat(logit_bias={"foo": 1})))
    assert error["param"] == "logit_bias.foo"


def test_audio_alone_is_refused(http: httpx.Client) -> None:
    error = check(http.post(CHAT, json=chat(modalities=["audio"], audio={"voice": "alloy", "format": "wav"})))
    assert (error["param"], error["code"]) == ("modalities", "unsupported_value")


def test_the_arguments_are_json(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    """As a program of that time read them."""
    worker.play(call)
    found = sdk.chat.completions.create(**chat(functions=FUNCTIONS)).choices[0].message.function_call
    assert found is not None
    assert json.loads(found.arguments) == {"city": "Paris"}


def test_what_openais_models_would_heed_is_told(http: httpx.Client, worker: ScriptedWorker) -> None:
    def told(path: str, **fields: Any) -> str:
        answer = http.post(path, json=fields)
        assert answer.status_code == 200, answer.text
        return str(answer.headers.get("warning", ""))

    chats, responses, said = "/v1/chat/completions", "/v1/responses", {"model": "tiny", "input": "Hello"}
    assert "not stored" in told(chats, **chat(store=True, metadata={"a": "b"}))
    assert "verbosity" in told(chats, **chat(verbosity="low"))
    assert "verbosity" in told(responses, **said, text={"verbosity": "high"})
    assert "moderation" in told(responses, **said, moderation={"model": "omni-moderation-latest"})
    assert told(chats, **chat(store=False, verbosity="medium", user="me")) == ""
    assert told(responses, **said, text={"verbosity": "medium"}, store=True, safety_identifier="me") == ""


def test_the_highest_effort_is_the_highest_that_templates_know(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    http.post(CHAT, json=chat(reasoning_effort="max")).raise_for_status()
    assert worker.runs[-1].payload["reasoning_effort"] == "xhigh"
    body = {"model": "tiny", "input": "Hello", "reasoning": {"effort": "max"}}
    answer = http.post("/v1/responses", json=body).raise_for_status()
    assert worker.runs[-1].payload["reasoning_effort"] == "xhigh"
    assert answer.json()["reasoning"]["effort"] == "max"
