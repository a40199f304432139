"""A chat as one answer."""

from typing import Any

import httpx
import openai
import pytest

from jobs.errors import ContextLengthExceeded, EngineFailure, JobTimeout, ServiceUnavailable
from tests.api.requests import chat
from tests.support.scripted_worker import Run, ScriptedWorker


def test_the_sdk_gets_its_completion(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.complete("Hi!", finish_reason="length", completion_tokens=5))
    answer = sdk.chat.completions.with_raw_response.create(**chat())
    completion = answer.parse()
    assert completion.id.startswith("chatcmpl-")
    assert answer.headers["x-request-id"] == completion.id
    assert completion.model == "tiny"
    assert completion.choices[0].message.content == "Hi!"
    assert completion.choices[0].message.role == "assistant"
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.total_tokens) == (7, 12)
    assert completion.usage.prompt_tokens_details is not None
    assert completion.usage.prompt_tokens_details.cached_tokens == 2


def test_the_job_holds_what_the_client_said_and_no_more(http: httpx.Client, worker: ScriptedWorker) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "name": "ada",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "22"},
        {"role": "user", "content": "and now?"},
    ]
    http.post("/v1/chat/completions", json={"model": "tiny", "messages": messages}).raise_for_status()
    run = worker.runs[0]
    assert run.claim.model == "tiny"
    assert not run.claim.stream
    assert run.claim.timeout == 300
    assert run.payload == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "ab", "name": "ada"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "22", "tool_call_id": "1"},
            {"role": "user", "content": "and now?"},
        ]
    }


def test_every_parameter_reaches_the_engine(http: httpx.Client, worker: ScriptedWorker) -> None:
    sampling: dict[str, Any] = {
        "temperature": 1,
        "top_p": 0.5,
        "top_k": 40,
        "min_p": 0.1,
        "xtc_probability": 0.2,
        "xtc_threshold": 0.3,
        "repetition_penalty": 1.1,
        "repetition_context_size": 30,
        "presence_penalty": -1.5,
        "presence_context_size": 10,
        "frequency_penalty": 2,
        "frequency_context_size": 11,
        "logit_bias": {"5": -100.0},
        "seed": -1,
        "ignore_eos": True,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    body = chat(**sampling, max_tokens=9, max_completion_tokens=5, stop="END")
    answer = http.post("/v1/chat/completions", json=body)
    assert "warning" not in answer.headers
    payload = dict(worker.runs[0].payload)
    del payload["messages"]
    assert payload == {**sampling, "max_tokens": 5, "stop": ["END"]}


def test_unknown_fields_are_named_and_ignored(http: httpx.Client, worker: ScriptedWorker) -> None:
    odd: dict[str, Any] = {"x\r\nset-cookie: a": 2}
    body = chat(frobnicate=1, **odd, user="me", store=False, metadata={"a": "b"})
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200
    assert answer.headers["warning"] == '299 mlxq "ignored fields: frobnicate, ?"'
    assert "set-cookie" not in answer.headers


def test_a_local_path_and_the_default_are_names_too(
    http: httpx.Client, worker: ScriptedWorker, model_root: object
) -> None:
    for name in (f"{model_root}/tiny", "default", "qwen3", "tiny"):
        answer = http.post("/v1/chat/completions", json=chat() | {"model": name})
        assert answer.json()["model"] == name
    assert {run.claim.model for run in worker.runs} == {"tiny"}
    assert http.post("/v1/chat/completions", json=chat() | {"model": "/etc"}).status_code == 404


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/v1/chat/completions/"])
def test_paths_work_with_and_without_v1(http: httpx.Client, worker: ScriptedWorker, path: str) -> None:
    assert http.post(path, json=chat("a")).json()["choices"][0]["message"]["content"] == "a"


def test_the_engines_errors_keep_their_status(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.fail(ContextLengthExceeded("Too long.", param="messages")))
    with pytest.raises(openai.BadRequestError) as too_long:
        sdk.chat.completions.create(**chat())
    assert too_long.value.code == "context_length_exceeded"
    assert too_long.value.param == "messages"
    assert too_long.value.request_id == worker.runs[0].claim.job_id
    worker.play(lambda run: run.fail(EngineFailure("The engine broke.")))
    with pytest.raises(openai.InternalServerError) as broken:
        sdk.chat.completions.create(**chat())
    assert broken.value.status_code == 500
    assert broken.value.code == "engine_error"


def test_a_timeout_is_not_tried_again(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.fail(JobTimeout("Too slow.")))
    with pytest.raises(openai.InternalServerError) as slow:
        sdk.with_options(max_retries=3).chat.completions.create(**chat())
    assert slow.value.status_code == 504
    assert slow.value.response.headers["x-should-retry"] == "false"
    assert len(worker.runs) == 1


def test_what_may_work_later_is_tried_again(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    def unavailable(run: Run) -> None:
        run.fail(ServiceUnavailable("Not now.", retry_after=1))

    worker.play(unavailable)
    answer = sdk.with_options(max_retries=1).chat.completions.create(**chat("again"))
    assert answer.choices[0].message.content == "again"
    assert len(worker.runs) == 2


def test_bounds_are_read_as_other_local_servers_read_them(http: httpx.Client, worker: ScriptedWorker) -> None:
    """LM Studio's example has no bound of tokens, vLLM's clients no top_k, and editors have many stop texts."""
    stops = [f"<{number}>" for number in range(10)]
    more: dict[str, Any] = {"max_tokens": -1, "top_k": -1, "stop": stops}
    for path, body in (
        ("chat/completions", chat(**more)),
        ("chat/completions", chat(**more, max_completion_tokens=-1)),
        ("completions", {"model": "tiny", "prompt": "a", **more}),
    ):
        assert http.post(f"/v1/{path}", json=body).status_code == 200
        payload = worker.runs[-1].payload
        assert (payload["max_tokens"], payload["top_k"], payload["stop"]) == (-1, 0, stops)
