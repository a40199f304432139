"""Errors of the whole product as the OpenAI SDK for Python raises them, and which of them it tries again."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.clients.conftest import KEY
from tests.clients.held import Held
from tests.clients.requests import ENDLESS, body
from tests.support.system import System

Ask = Callable[[], object]


class Counted:
    """An SDK that tries up to three times and counts its tries; `on_response` sees each answer."""

    def __init__(self, system: System, on_response: Callable[[httpx.Response], None] | None = None) -> None:
        self.statuses: list[int] = []
        self._on_response = on_response
        self.http = httpx.Client(event_hooks={"response": [self._count]}, timeout=60)
        self.sdk = system.openai(api_key=KEY, max_retries=2, http_client=self.http)

    def _count(self, response: httpx.Response) -> None:
        self.statuses.append(response.status_code)
        if self._on_response:
            self._on_response(response)

    def __enter__(self) -> "Counted":
        return self

    def __exit__(self, *_: object) -> None:
        self.sdk.close()


@pytest.fixture
def counted(strict: System) -> Iterator[Counted]:
    with Counted(strict) as client:
        yield client


def facts(error: openai.APIError) -> tuple[str | None, str | None, str | None]:
    assert isinstance(error.body, dict)
    assert set(error.body) == {"message", "type", "param", "code"}
    return error.type, error.param, error.code


@pytest.mark.parametrize(
    ("wrong", "param", "code"),
    [
        ({"temperature": 5}, "temperature", "invalid_value"),
        ({"max_tokens": -2}, "max_tokens", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages[0].role", "invalid_value"),
        ({"n": 9}, "n", "invalid_value"),
        ({"extra_body": {"stop": 7}}, "stop", "invalid_value"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_request(counted: Counted, wrong: dict[str, Any], param: str, code: str, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        counted.sdk.chat.completions.create(**body(wrong), stream=stream)
    assert facts(refused.value) == ("invalid_request_error", param, code)
    assert counted.statuses == [400]
    assert refused.value.request_id


@pytest.mark.parametrize(
    ("wrong", "param", "code"),
    [
        ({"logit_bias": {"999999": 1}}, "logit_bias", "invalid_request"),
        (
            {"messages": [{"role": "user", "content": "x" * 200_000}]},
            "messages",
            "context_length_exceeded",
        ),
    ],
    ids=["logit_bias", "long"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_the_worker_refuses(
    sdk: openai.OpenAI, wrong: dict[str, Any], param: str, code: str, stream: bool
) -> None:
    """By status, or in the stream if that has begun before the worker has looked."""
    with pytest.raises(openai.APIError if stream else openai.BadRequestError) as refused:
        list(sdk.chat.completions.create(**body(wrong), stream=stream))
    assert facts(refused.value) == ("invalid_request_error", param, code)


def test_a_wrong_key(counted: Counted) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        counted.sdk.with_options(api_key="wrong").chat.completions.create(**body())
    assert facts(refused.value) == ("authentication_error", None, "invalid_api_key")
    assert counted.statuses == [401]


@pytest.mark.parametrize("model", ["nothing", "nobody/nothing", "/etc", "../first"])
def test_an_unknown_model(counted: Counted, model: str) -> None:
    asks: list[Ask] = [
        lambda: counted.sdk.chat.completions.create(**body(model=model)),
        lambda: counted.sdk.chat.completions.create(**body(model=model), stream=True),
        lambda: counted.sdk.models.retrieve(model),
    ]
    for ask in asks:
        with pytest.raises(openai.NotFoundError) as refused:
            ask()
        assert facts(refused.value) == ("invalid_request_error", "model", "model_not_found")
    assert counted.statuses == [404, 404, 404]


def test_a_body_that_is_too_large(counted: Counted) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        counted.sdk.chat.completions.create(**body(messages=[{"role": "user", "content": "x" * 11_000_000}]))
    assert refused.value.status_code == 413
    assert facts(refused.value) == ("invalid_request_error", None, "request_too_large")
    assert counted.statuses == [413]


def test_an_idempotency_key_stands_for_one_request(counted: Counted) -> None:
    key = {"Idempotency-Key": "one"}
    first = counted.sdk.chat.completions.create(**body(), extra_headers=key)
    again = counted.sdk.chat.completions.create(**body(), extra_headers=key)
    assert again.id == first.id
    with pytest.raises(openai.ConflictError) as refused:
        counted.sdk.chat.completions.create(**body(max_tokens=3), extra_headers=key)
    assert facts(refused.value) == ("invalid_request_error", "Idempotency-Key", "conflict")
    assert counted.statuses == [200, 200, 409], "a conflict is not tried again"


def test_a_timeout_is_not_tried_again(counted: Counted) -> None:
    with pytest.raises(openai.InternalServerError) as slow:
        counted.sdk.chat.completions.create(**body(ENDLESS))
    assert slow.value.status_code == 504
    assert facts(slow.value) == ("server_error", None, "timeout")
    assert slow.value.response.headers["x-should-retry"] == "false"
    assert counted.statuses == [504]


def test_a_timeout_in_mid_stream_ends_it_with_an_error(counted: Counted) -> None:
    stream = counted.sdk.chat.completions.create(**body(ENDLESS), stream=True)
    heard: list[str] = []
    with pytest.raises(openai.APIError) as slow:
        heard.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(heard)
    assert facts(slow.value) == ("server_error", None, "timeout")
    assert counted.statuses == [200]


def test_a_full_queue_says_when_to_come_back(strict: System) -> None:
    with Held(strict), Counted(strict) as counted, pytest.raises(openai.RateLimitError) as full:
        counted.sdk.with_options(max_retries=0).chat.completions.create(**body())
    assert facts(full.value) == ("rate_limit_error", None, "queue_full")
    assert 1 <= int(full.value.response.headers["retry-after"]) <= 120


def test_a_full_queue_is_tried_again(strict: System) -> None:
    with Held(strict) as held, Counted(strict, lambda _: held.let_go()) as counted:
        assert counted.sdk.chat.completions.create(**body()).choices[0].message.content
    assert counted.statuses == [429, 200]


def test_a_lost_redis_is_a_503_that_is_tried_again(strict: System) -> None:
    strict.redis.kill()

    def bring_back(response: httpx.Response) -> None:
        if response.status_code == 503:
            strict.redis.start()

    with Counted(strict, bring_back) as counted:
        raw = counted.sdk.chat.completions.with_raw_response.create(**body())
        assert raw.parse().choices[0].message.content
    assert counted.statuses == [503, 200]
    strict.wait_healthy()


def test_a_lost_redis_without_tries(strict: System) -> None:
    strict.redis.kill()
    try:
        with Counted(strict) as counted, pytest.raises(openai.InternalServerError) as lost:
            counted.sdk.with_options(max_retries=0).chat.completions.create(**body())
        assert lost.value.status_code == 503
        assert facts(lost.value) == ("server_error", None, "service_unavailable")
        assert int(lost.value.response.headers["retry-after"]) >= 1
    finally:
        strict.redis.start()
        strict.wait_healthy()
