"""Requests that are sent again: by the SDK, and with an Idempotency-Key. And requests that come too late."""

import threading

import httpx
import openai
import pytest
import redis

from jobs import keys
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import Run, ScriptedWorker

CHAT = "/v1/chat/completions"
RETRY = {"x-stainless-retry-count": "1"}


def test_a_retry_attaches_to_the_job_that_lives(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    job = http.post(CHAT, json=chat("once"), headers={"prefer": "respond-async"}).json()
    worker.resume()
    answer = http.post(CHAT, json=chat("once"), headers=RETRY)
    assert answer.json()["id"] == answer.headers["x-request-id"] == job["id"]
    assert len(worker.runs) == 1


def test_only_the_same_request_attaches(http: httpx.Client, worker: ScriptedWorker) -> None:
    http.post(CHAT, json=chat("once"))
    http.post(CHAT, json=chat("once"))
    http.post(CHAT, json=chat("other"), headers=RETRY)
    http.post(CHAT, json=chat("once"), headers={**RETRY, "authorization": "Bearer somebody-else"})
    assert len(worker.runs) == 4


def test_a_retry_of_a_refused_call_does_not_get_an_older_answer(
    make_settings: MakeSettings, worker: ScriptedWorker
) -> None:
    with ApiServer(make_settings(queue_limit=1)) as api, httpx.Client(base_url=api.url) as http:
        old = http.post(CHAT, json=chat("same")).json()["id"]
        worker.pause()
        http.post(CHAT, json=chat("in the way"), headers={"prefer": "respond-async"})
        assert http.post(CHAT, json=chat("same")).status_code == 429
        worker.resume()
        assert worker.claimed.acquire(timeout=60)
        assert worker.claimed.acquire(timeout=60)
        assert http.post(CHAT, json=chat("same"), headers=RETRY).json()["id"] != old


def test_a_retry_does_not_attach_to_a_cancelled_job(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        assert run.until_cancelled()
        assert again.wait(60)
        run.cancelled()

    again = threading.Event()
    worker.play(play)
    job = http.post(CHAT, json=chat("once"), headers={"prefer": "respond-async"}).json()
    assert worker.claimed.acquire(timeout=60)
    http.delete(f"/v1/jobs/{job['id']}")
    answer = http.post(CHAT, json=chat("once"), headers=RETRY)
    again.set()
    assert answer.status_code == 200
    assert answer.json()["id"] != job["id"]


def test_the_sdk_comes_back_after_the_queue_was_full(
    make_settings: MakeSettings, worker: ScriptedWorker
) -> None:
    with ApiServer(make_settings(queue_limit=2)) as api:
        sdk = openai.OpenAI(base_url=f"{api.url}/v1", api_key="any", max_retries=0)
        with sdk, httpx.Client(base_url=api.url) as http:
            worker.pause()
            for _ in range(2):
                http.post(CHAT, json=chat("waits"), headers={"prefer": "respond-async"}).raise_for_status()
            with pytest.raises(openai.RateLimitError) as full:
                sdk.chat.completions.create(**chat("one too many"))
            assert full.value.code == "queue_full"
            assert 1 <= int(full.value.response.headers["retry-after"]) <= 120
            worker.resume()
            answer = sdk.with_options(max_retries=2).chat.completions.create(**chat("one too many"))
            assert answer.choices[0].message.content == "one too many"


def test_an_idempotency_key_stands_for_one_job(http: httpx.Client, worker: ScriptedWorker) -> None:
    key = {"idempotency-key": "order-1"}
    first = http.post(CHAT, json=chat("once"), headers=key)
    assert http.post(CHAT, json=chat("once"), headers=key).content == first.content
    other = http.post(CHAT, json=chat("twice"), headers=key)
    assert other.status_code == 409
    assert other.headers["x-should-retry"] == "false"
    assert other.json()["error"]["param"] == "Idempotency-Key"
    elsewhere = http.post(CHAT, json=chat("once"), headers={**key, "x-api-key": "another caller"})
    assert elsewhere.json()["id"] != first.json()["id"]
    assert len(worker.runs) == 2


def test_an_idempotent_stream_is_replayed(
    http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    def text() -> str:
        answer = http.post(CHAT, json=chat("once more", stream=True), headers={"idempotency-key": "k"})
        return "".join(
            line for line in answer.text.splitlines() if "content" in line and "[DONE]" not in line
        )

    first = text()
    assert "once" in first
    assert text() == first
    clean_redis.delete(keys.events(worker.runs[0].claim.job_id))
    assert "once more" in text(), "the events are gone, the answer is not"
    assert len(worker.runs) == 1


def test_the_key_of_a_cancelled_job_can_be_used_again(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    headers = {"idempotency-key": "k", "prefer": "respond-async"}
    job = http.post(CHAT, json=chat(), headers=headers).json()
    assert http.post(CHAT, json=chat(), headers=headers).json()["id"] == job["id"]
    http.delete(f"/v1/jobs/{job['id']}")
    worker.resume()
    assert http.post(CHAT, json=chat(), headers={"idempotency-key": "k"}).status_code == 200


def test_a_job_whose_client_gave_up_never_starts(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    answers: list[httpx.Response] = []
    patience = {"x-stainless-read-timeout": "0.000001"}
    caller = threading.Thread(
        target=lambda: answers.append(http.post(CHAT, json=chat("impatient"), headers=patience))
    )
    caller.start()
    while not http.get("/v1/jobs").json()["data"]:
        pass
    worker.resume()
    caller.join(60)
    assert answers[0].status_code == 504
    assert answers[0].json()["error"]["code"] == "job_expired"
    assert answers[0].headers["x-should-retry"] == "false"
    assert worker.runs == []
    stats = http.get("/v1/queue/stats").json()["queues"]["llm"]
    assert (stats["cancelled"], stats["expired"]) == (0, 1)


@pytest.mark.parametrize("how", [{"stream": True}, {"background": True}])
def test_heartbeats_and_background_jobs_outlast_a_read_timeout(
    http: httpx.Client, worker: ScriptedWorker, how: dict[str, bool]
) -> None:
    answer = http.post(CHAT, json={**chat(), **how}, headers={"x-stainless-read-timeout": "0.000001"})
    assert answer.is_success
    assert worker.claimed.acquire(timeout=60)
