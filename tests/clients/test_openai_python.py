"""What the OpenAI SDK for Python sees of the whole product."""

import asyncio
from typing import Any

import httpx
import openai
import pytest

from tests.clients.requests import ENDLESS, body
from tests.support.stories import outcome
from tests.support.system import System


def newest(system: System) -> dict[str, Any]:
    (job,) = system.http.get("/v1/jobs?limit=1").json()["data"]
    return dict(job)


def test_a_chat_is_complete(sdk: openai.OpenAI) -> None:
    raw = sdk.chat.completions.with_raw_response.create(**body(max_tokens=5))
    completion = raw.parse()
    assert raw.headers["x-request-id"] == completion.id == completion._request_id
    assert completion.id.startswith("chatcmpl-")
    assert (completion.object, completion.model) == ("chat.completion", "first")
    choice = completion.choices[0]
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "length", "assistant")
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 5
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + 5


def test_a_stream_says_what_the_completion_says(sdk: openai.OpenAI) -> None:
    whole = sdk.chat.completions.create(**body())
    chunks = list(sdk.chat.completions.create(**body(), stream=True, stream_options={"include_usage": True}))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == [
        whole.choices[0].finish_reason
    ]
    assert chunks[-1].choices == []
    assert whole.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_without_include_usage_no_chunk_has_usage(sdk: openai.OpenAI) -> None:
    assert all(chunk.usage is None for chunk in sdk.chat.completions.create(**body(), stream=True))


def test_a_stop_string_ends_the_answer_before_it(sdk: openai.OpenAI) -> None:
    text = sdk.chat.completions.create(**body()).choices[0].message.content
    assert text
    stop = text[4:7]
    stopped = sdk.chat.completions.create(**body(), stop=[stop, "never"])
    assert stopped.choices[0].message.content == text[: text.index(stop)]
    assert stopped.choices[0].finish_reason == "stop"


def test_a_seed_repeats_an_answer(sdk: openai.OpenAI) -> None:
    def say(seed: int) -> str:
        answer = sdk.chat.completions.create(**body(temperature=1), seed=seed)
        return str(answer.choices[0].message.content)

    assert say(7) == say(7) != say(8)


def test_max_completion_tokens_wins_over_max_tokens(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(**body(max_tokens=9), max_completion_tokens=3)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


def test_models_are_listed_and_retrieved_by_ids_with_slashes(sdk: openai.OpenAI, system: System) -> None:
    assert {"first", "org/second"} <= {model.id for model in sdk.models.list()}
    model = sdk.models.retrieve("org/second")
    assert (model.id, model.object, model.owned_by) == ("org/second", "model", "org")
    assert model.created > 0
    # The SDK writes the slash as %2F; others do not.
    assert system.http.get("/v1/models/org/second").json()["id"] == "org/second"


async def _chat_async(system: System) -> None:
    async with openai.AsyncOpenAI(base_url=f"{system.url}/v1", api_key="any", max_retries=0) as sdk:
        whole = await sdk.chat.completions.create(**body())
        stream = await sdk.chat.completions.create(
            **body(), stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert text == whole.choices[0].message.content
        assert chunks[-1].usage is not None
        many = await asyncio.gather(*(sdk.chat.completions.create(**body()) for _ in range(8)))
        assert {answer.choices[0].message.content for answer in many} == {text}
        assert "org/second" in [model.id async for model in sdk.models.list()]
        assert (await sdk.models.retrieve("org/second")).id == "org/second"
        with pytest.raises(openai.NotFoundError):
            await sdk.models.retrieve("nobody/nothing")


def test_the_async_client_does_the_same(system: System) -> None:
    asyncio.run(_chat_async(system))


def test_a_closed_stream_cancels_its_job(sdk: openai.OpenAI, system: System) -> None:
    with sdk.chat.completions.create(**body(ENDLESS), stream=True) as stream:
        job_id = next(chunk.id for chunk in stream if chunk.choices[0].delta.content)
    assert outcome(system, job_id)["status"] == "cancelled"


async def _cancel_task(system: System) -> None:
    async with openai.AsyncOpenAI(base_url=f"{system.url}/v1", api_key="any", max_retries=0) as sdk:
        call = asyncio.create_task(sdk.chat.completions.create(**body(ENDLESS)))
        before = newest(system)["id"]
        while (job := await asyncio.to_thread(newest, system))["id"] == before or job["status"] == "queued":
            assert not call.done()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert (await asyncio.to_thread(outcome, system, job["id"]))["status"] == "cancelled"


def test_a_cancelled_task_cancels_its_job(system: System) -> None:
    asyncio.run(_cancel_task(system))


def test_a_read_timeout_cancels_its_job(system: System) -> None:
    with system.openai(timeout=httpx.Timeout(30, read=0.5)) as sdk, pytest.raises(openai.APITimeoutError):
        sdk.chat.completions.create(**body(ENDLESS))
    assert outcome(system, newest(system)["id"])["status"] == "cancelled"


def test_a_job_that_is_cancelled_elsewhere_ends_the_stream_with_an_error(
    sdk: openai.OpenAI, system: System
) -> None:
    stream = sdk.chat.completions.create(**body(ENDLESS), stream=True)
    job_id = next(chunk.id for chunk in stream if chunk.choices[0].delta.content)
    system.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    with pytest.raises(openai.APIError) as ended:
        for _ in stream:
            pass
    assert ended.value.code == "job_cancelled"
    assert ended.value.body == {
        "message": "The job was cancelled.",
        "type": "invalid_request_error",
        "param": None,
        "code": "job_cancelled",
    }
