"""Bad input of every kind: an error in OpenAI's shape, nothing in the queue, the next request is served."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis

from jobs import keys
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

CHAT = "/v1/chat/completions"


def check(answer: httpx.Response, status: int = 400) -> dict[str, Any]:
    """The error object."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error", "detail"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert body["detail"] == error["message"]
    assert error["message"]
    assert answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    return error


@pytest.fixture(autouse=True)
def _good_afterwards(http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis) -> Iterator[None]:
    yield
    assert clean_redis.zcard(keys.JOBS) == 0, "a bad request became a job"
    assert http.post(CHAT, json=chat("still fine")).status_code == 200


BROKEN = {
    "empty": b"",
    "blank": b"  \n",
    "cut off": b'{"model": "tiny", "messages": [',
    "no json": b"hello",
    "a form": b"model=tiny&messages=1",
    "NaN": b'{"model":"tiny","messages":[{"role":"user","content":"a"}],"temperature":NaN}',
    "Infinity": b'{"model":"tiny","messages":[{"role":"user","content":"a"}],"temperature":Infinity}',
    "too large a number": b'{"model":"tiny","messages":[{"role":"user","content":"a"}],"seed":1e999}',
    "invalid UTF-8": b'{"model":"tiny","messages":[{"role":"user","content":"\xff\xfe"}]}',
    "a lone surrogate": b'{"model":"tiny","messages":[{"role":"user","content":"\\ud800"}]}',
    "a raw NUL": b'{"model":"tiny\x00"}',
    "deep nesting": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "nesting that only some readers take": b'{"model":"tiny","messages":[{"role":"user","content":"a"}],"x":'
    + b"[" * 300
    + b"]" * 300
    + b"}",
    "a list": b"[]",
    "a string": b'"model"',
    "null": b"null",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_bodies_that_are_no_json_objects(http: httpx.Client, body: bytes) -> None:
    error = check(http.post(CHAT, content=body, headers={"content-type": "application/json"}))
    assert error["type"] == "invalid_request_error"


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


FIELDS: list[tuple[str, Any, str]] = [
    ("model", None, "model"),
    ("model", 5, "model"),
    ("messages", None, "messages"),
    ("messages", [], "messages"),
    ("messages", "Hello", "messages"),
    ("messages", ["Hello"], "messages[0]"),
    ("messages", [{}], "messages[0].role"),
    ("messages", [{"role": "pirate", "content": "a"}], "messages[0].role"),
    ("messages", [{"role": "user"}], "messages[0]"),
    ("messages", [{"role": "user", "content": None}], "messages[0]"),
    ("messages", [{"role": "assistant", "content": None}], "messages[0]"),
    ("messages", [{"role": "user", "content": 5}], "messages[0].content"),
    ("messages", [{"role": "user", "content": ["a"]}], "messages[0].content"),
    ("messages", [{"role": "user", "content": [{"type": "text"}]}], "messages[0].content"),
    ("messages", [{"role": "user", "content": [{"type": "text", "text": 5}]}], "messages[0].content"),
    ("messages", [{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content"),
    ("messages", [{"role": "user", "content": [{"type": "input_image"}]}], "messages[0].content"),
    (
        "messages",
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": ""}}]}],
        "messages[0].content",
    ),
    ("messages", [{"role": "user", "content": [{"type": "input_audio"}]}], "messages[0].content"),
    (
        "messages",
        [{"role": "assistant", "content": "a", "reasoning_content": 5}],
        "messages[0].reasoning_content",
    ),
    ("messages", [{"role": "user", "content": [{"type": "file"}]}], "messages[0].content"),
    ("messages", [{"role": "assistant", "tool_calls": [{"id": "1"}]}], "messages[0].tool_calls[0].function"),
    ("messages", [{"role": "assistant", "content": "a", "prefix": "yes"}], "messages[0].prefix"),
    (
        "messages",
        [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": nested(70)}}]}],
        "messages[0].tool_calls[0].function.arguments",
    ),
    ("continue_final_message", 1, "continue_final_message"),
    ("continue_final_message", True, "continue_final_message"),
    ("add_generation_prompt", "no", "add_generation_prompt"),
    ("max_tokens", -2, "max_tokens"),
    ("max_tokens", 10**30, "max_tokens"),
    ("max_tokens", 2.5, "max_tokens"),
    ("max_tokens", "5", "max_tokens"),
    ("max_tokens", True, "max_tokens"),
    ("max_completion_tokens", -2, "max_completion_tokens"),
    ("temperature", -0.1, "temperature"),
    ("temperature", 2.1, "temperature"),
    ("temperature", "0.7", "temperature"),
    ("temperature", True, "temperature"),
    ("top_p", -0.1, "top_p"),
    ("top_p", 1.1, "top_p"),
    ("top_k", -2, "top_k"),
    ("min_p", 1.5, "min_p"),
    ("xtc_threshold", 0.6, "xtc_threshold"),
    ("xtc_probability", 2, "xtc_probability"),
    ("repetition_penalty", 0, "repetition_penalty"),
    ("repetition_context_size", 0, "repetition_context_size"),
    ("presence_penalty", 2.5, "presence_penalty"),
    ("frequency_penalty", -2.5, "frequency_penalty"),
    ("logit_bias", {"5": 101}, "logit_bias.5"),
    ("logit_bias", {"five": 1}, "logit_bias.five"),
    ("logit_bias", [1], "logit_bias"),
    ("seed", 2**63, "seed"),
    ("seed", 1.5, "seed"),
    ("stop", "", "stop[0]"),
    ("stop", ["a"] * 17, "stop"),
    ("stop", [5], "stop[0]"),
    ("stream", "yes", "stream"),
    ("stream_options", 5, "stream_options"),
    ("n", 0, "n"),
    ("chat_template_kwargs", nested(150), "chat_template_kwargs"),
    ("n", 9, "n"),
    ("n", 2.0, "n"),
    ("logprobs", 1, "logprobs"),
    ("top_logprobs", 3, "top_logprobs"),
    ("reasoning_effort", "extreme", "reasoning_effort"),
    ("enable_thinking", "yes", "enable_thinking"),
    ("adapters", "", "adapters"),
    ("draft_model", "", "draft_model"),
    ("functions", [{"name": "a name"}], "functions[0].name"),
    ("functions", [{"name": "f", "parameters": {"type": "string"}}], "functions[0].parameters"),
    ("functions", [{"name": "f"}, {"name": "f", "description": "other"}], "functions"),
    ("function_call", {"name": "f"}, "function_call"),
    ("function_call", "required", "function_call"),
    ("modalities", ["audio"], "modalities"),
    ("audio", "alloy", "audio"),
]


@pytest.mark.parametrize(("field", "value", "param"), FIELDS, ids=[f"{f}={v!r:.30}" for f, v, _ in FIELDS])
def test_fields_of_the_wrong_type_or_size(http: httpx.Client, field: str, value: Any, param: str) -> None:
    error = check(http.post(CHAT, json={**chat(), field: value}))
    assert error["param"] == param
    assert error["message"]


@pytest.mark.parametrize("kind", ["input_audio", "video_url", "input_video", "file"])
def test_a_part_that_is_not_supported_is_named(http: httpx.Client, kind: str) -> None:
    parts = [{"type": "text", "text": "What is this?"}, {"type": kind, kind: {"url": "x"}}]
    error = check(http.post(CHAT, json={"model": "tiny", "messages": [{"role": "user", "content": parts}]}))
    assert kind in error["message"]
    assert error["param"] == "messages[0].content"


def test_only_users_show_images(http: httpx.Client) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "data:,"}}]
    error = check(http.post(CHAT, json={"model": "tiny", "messages": [{"role": "system", "content": parts}]}))
    assert error["param"] == "messages[0]"


@pytest.mark.parametrize("name", ["nix", "a/b/c", "../tiny", "/etc/passwd", "tiny\x00", "x" * 5000])
def test_unknown_models(http: httpx.Client, clean_redis: redis.Redis, name: str) -> None:
    error = check(http.post(CHAT, json=chat() | {"model": name}), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


def test_addresses_and_methods(http: httpx.Client) -> None:
    check(http.get("/v1/nix"), 404)
    assert check(http.get(CHAT), 405)["code"] == "method_not_allowed"
    check(http.delete("/health"), 405)
    check(http.get("/v1/jobs/nix"), 404)
    check(http.get("/v1/jobs/nix/events"), 404)
    check(http.post("/v1/jobs/nix/cancel"), 404)
    check(http.get("/v1/jobs/a%0d%0ab"), 404)
    check(http.get("/v1/models/nix"), 404)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "status=asleep", "queue=nix", "after=nix", "after=%00"]
)
def test_bad_queries(http: httpx.Client, query: str) -> None:
    assert check(http.get(f"/v1/jobs?{query}"))["param"] == query.partition("=")[0]


@pytest.mark.parametrize("wait", ["-1", "61", "x", "nan", "inf"])
def test_bad_waits(http: httpx.Client, wait: str) -> None:
    assert check(http.get(f"/v1/jobs/any?wait={wait}"))["param"] == "wait"


def test_a_huge_body_is_refused_by_its_length(http: httpx.Client) -> None:
    assert check(http.post(CHAT, content=b" " * 50_000_000), 413)["code"] == "request_too_large"


def test_a_huge_body_is_refused_while_it_comes(http: httpx.Client) -> None:
    chunks = (b" " * 1_000_000 for _ in range(50))
    try:
        answer = http.post(CHAT, content=chunks)
    except httpx.WriteError:
        return
    check(answer, 413)


def test_an_idempotency_key_has_a_length(http: httpx.Client) -> None:
    for key in ("", "x" * 256):
        answer = http.post(CHAT, json=chat(), headers={"idempotency-key": key})
        assert check(answer)["param"] == "Idempotency-Key"


def test_what_is_no_http(api: ApiServer) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as connection:
        connection.sendall(b"GARBAGE\r\n\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"invalid_request_error"' in answer


def test_an_endless_head_is_cut_off(api: ApiServer) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx: ")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(b"y" * 100_000_000)


def test_a_long_body_is_no_long_head(http: httpx.Client, worker: ScriptedWorker) -> None:
    for _ in range(3):
        answer = http.get("/v1/models", headers={"x-long": "y" * 8000})
        assert answer.status_code == 200
        check(http.post(CHAT, json={"padding": "y" * 1_000_000}))
