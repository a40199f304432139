"""Webhooks: who is told of which end, signed so that two libraries agree, once, and nothing private is reached."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import redis
from openai.types.webhooks import BatchCompletedWebhookEvent, ResponseCompletedWebhookEvent
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.serializers import JSONSerializer

from api.webhooks.deliverer import Deliverer
from config.settings import Settings
from jobs import keys
from jobs.errors import EngineFailure
from jobs.redis.connection import async_connection
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.program import Program
from tests.support.api_server import ApiServer
from tests.support.batches import chats, ended, start
from tests.support.ports import free_port
from tests.support.receiver import SECRET, Receiver
from tests.support.scripted_worker import ScriptedWorker
from tests.support.waits import wait_for

CHAT = "/v1/chat/completions"
DELIVERIES = "/v1/webhooks/deliveries"
HOUR = 3600.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def settings(make_settings: MakeSettings, tmp_path: Path) -> Settings:
    return make_settings(
        data_dir=tmp_path / "data", webhook_secret=SECRET, allow_private_webhooks=True, webhook_timeout=20
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[ApiServer]:
    with ApiServer(settings) as server:
        yield server


def deliver(settings: Settings, later: float = 0.0) -> int:
    """Make all deliveries that are due in so many seconds, as an API process does. Returns how many attempts."""

    async def work() -> int:
        async with async_connection(settings.redis_address) as connection:
            return await Deliverer(settings, connection, shift=later).deliver()

    return asyncio.run(work())


def listed(http: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = http.get(DELIVERIES, params=query).raise_for_status().json()["data"]
    return rows


def until(http: httpx.Client, status: str, **query: Any) -> dict[str, Any]:
    """The one delivery, once it has this status."""

    def found() -> dict[str, Any] | None:
        rows = listed(http, **query)
        return rows[0] if [row["status"] for row in rows] == [status] else None

    row: dict[str, Any] = wait_for(found)
    return row


def test_the_end_of_a_chat_is_told_once_and_two_libraries_believe_it(
    http: httpx.Client, worker: ScriptedWorker, receiver: Receiver
) -> None:
    answer = http.post(CHAT, json=chat(webhook=receiver.url), headers={"x-app": "notes"})
    assert answer.status_code == 200
    assert "warning" not in answer.headers
    received = receiver.next()
    received.verified()
    job_id = answer.json()["id"]
    event = received.event
    assert (event["id"], event["object"], event["type"]) == (received.id, "event", "job.completed")
    assert abs(event["created_at"] - time.time()) < 30
    assert event["data"] == {
        "id": job_id,
        "object": "job",
        "status": "completed",
        "kind": "chat",
        "queue": "llm",
        "model": "tiny",
        "app": "notes",
        "error": None,
    }
    assert received.path == "/hooks/secret-path"
    assert received.headers["content-type"] == "application/json"
    row = until(http, "delivered", job=job_id)
    assert (row["id"], row["event"], row["of"]) == (received.id, "job.completed", job_id)
    assert [each["status"] for each in row["attempts"]] == [200]
    # The path may be a secret, and the secret is one.
    shown = http.get(DELIVERIES).text + http.get(f"{DELIVERIES}/{row['id']}").text
    assert "secret" not in shown
    assert row["host"] == receiver.url.removesuffix("/hooks/secret-path")
    # It is no job of the API's.
    assert http.get(f"/v1/jobs/{row['id']}").status_code == 404
    assert [each["id"] for each in http.get("/v1/jobs").json()["data"]] == [job_id]
    assert receiver.all == [received]


def test_responses_have_openais_events(
    sdk: openai.OpenAI, http: httpx.Client, worker: ScriptedWorker, receiver: Receiver
) -> None:
    def ask(**fields: Any) -> str:
        made = sdk.responses.create(
            model="tiny", input="Hello", background=True, extra_body={"webhook": receiver.url, **fields}
        )
        return made.id

    made = ask()
    told = receiver.next().verified()
    assert isinstance(told, ResponseCompletedWebhookEvent)
    assert (told.data.id, sdk.responses.retrieve(told.data.id).status) == (made, "completed")

    worker.play(
        lambda run: run.complete('a "finish_reason":"length" in a text'),
        lambda run: run.complete("cut", finish_reason="length"),
        lambda run: run.fail(EngineFailure("out of luck")),
    )
    for kind in ("response.completed", "response.incomplete", "response.failed"):
        made = ask()
        told = receiver.next().verified()
        assert (told.type, told.data.id) == (kind, made)

    worker.pause()
    made = ask()
    sdk.responses.cancel(made)
    told = receiver.next().verified()
    assert (told.type, told.data.id) == ("response.cancelled", made)
    worker.resume()


def test_a_filter_chooses_events_in_every_dialect(
    http: httpx.Client, worker: ScriptedWorker, receiver: Receiver
) -> None:
    by_header = {"x-webhook": receiver.url, "x-webhook-events": "job.failed, batch.*"}
    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = [
        (CHAT, {"webhook": receiver.url, "webhook_events_filter": ["job.failed"]}, {}),
        (CHAT, {"webhook": {"url": receiver.url, "events": ["job.f*"]}}, {}),
        ("/v1/messages", {"max_tokens": 9}, by_header),
        ("/api/chat", {"stream": False}, by_header),
        ("/completion", {"prompt": "Hello"}, by_header),
    ]
    for path, body, headers in asked:
        worker.play(lambda run: run.complete("well"), lambda run: run.fail(EngineFailure("out of luck")))
        assert http.post(path, json=chat(**body), headers=headers).status_code == 200
        assert http.post(path, json=chat(**body), headers=headers).status_code >= 500
    for _ in asked:
        event = receiver.next().event
        assert event["type"] == "job.failed"
        assert event["data"]["error"]["message"] == "out of luck"
    assert len(listed(http)) == len(asked)


def test_what_is_asked_again_tells_the_same_receiver(
    http: httpx.Client, worker: ScriptedWorker, receiver: Receiver
) -> None:
    worker.play(lambda run: run.fail(EngineFailure("out of luck")))
    webhook = {"url": receiver.url, "events": ["job.failed"]}
    first = http.post(CHAT, json=chat(webhook=webhook, background=True)).raise_for_status().json()["id"]
    assert receiver.next().event["data"]["id"] == first

    def again(**headers: str) -> str:
        return str(http.post(f"/v1/jobs/{first}/retry", headers=headers).raise_for_status().json()["id"])

    elsewhere = receiver.url.replace("secret-path", "elsewhere")
    worker.play(*2 * [lambda run: run.fail(EngineFailure("out of luck"))], lambda run: run.complete("well"))
    for headers, path in (({}, "/hooks/secret-path"), ({"x-webhook": elsewhere}, "/hooks/elsewhere")):
        made, told = again(**headers), receiver.next()
        assert (told.event["data"]["id"], told.path) == (made, path)
    well = again()
    assert http.get(f"/v1/jobs/{well}?wait=10").json()["status"] == "completed"
    assert listed(http, job=well) == [], "its filter is the same, too"


def test_what_can_not_be_told_is_refused(http: httpx.Client) -> None:
    good = "https://example.com/x"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"webhook": "ftp://example.com/x"}, "webhook"),
        ({"webhook": "http://user:word@example.com/x"}, "webhook"),
        ({"webhook": "http://example.com:99999/x"}, "webhook"),
        ({"webhook": "https://example.com/" + "x" * 3000}, "webhook"),
        ({"webhook": {"events": ["job.completed"]}}, "webhook"),
        ({"webhook": good, "webhook_events_filter": ["start"]}, "webhook_events_filter"),
        ({"webhook": good, "webhook_events_filter": []}, "webhook_events_filter"),
    ]
    for fields, param in wrong:
        answer = http.post(CHAT, json=chat(**fields))
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), fields
        if "start" in str(fields):
            assert "job.completed" in answer.json()["error"]["message"]
    for headers in (
        {"x-webhook": "example.com"},
        {"x-webhook": good, "x-webhook-events": "job.completed, logs"},
    ):
        answer = http.post("/api/chat", json=chat(), headers=headers)
        assert (answer.status_code, "x-webhook" in answer.text) == (400, True)


def test_private_addresses_are_refused_unless_allowed(
    make_settings: MakeSettings, worker: ScriptedWorker, receiver: Receiver, settings: Settings
) -> None:
    strict = make_settings(webhook_secret=SECRET)
    private = (
        *("http://127.0.0.1/x", "http://localhost:1/x", "http://a.localhost./x", "http://10.1.2.3/x"),
        *("http://[::1]/x", "http://[::ffff:192.168.0.1]/x", "http://0x7f000001/x", "http://127.1/x"),
        *("http://169.254.169.254/latest", "http://0.0.0.0/x"),
    )
    with ApiServer(strict) as api, httpx.Client(base_url=api.url, timeout=30) as http:
        for url in private:
            for asked in ({"json": chat(webhook=url)}, {"json": chat(), "headers": {"x-webhook": url}}):
                answer = http.post(CHAT, **asked)  # type: ignore[arg-type]
                assert (answer.status_code, "public" in answer.text) == (400, True), url
    assert worker.runs == []
    # A name may lead elsewhere by the time of the delivery: what it leads to is checked then.
    with ApiServer(settings) as api, httpx.Client(base_url=api.url, timeout=30) as http:
        receiver.usual = 500
        assert http.post(CHAT, json=chat(webhook=receiver.url)).status_code == 200
        until(http, "retrying")
        receiver.came.get(timeout=60)
        assert deliver(strict, later=10) == 1
        assert listed(http)[0]["attempts"][-1]["error"] == "its host has no public address"
    assert len(receiver.all) == 1


def test_pages_of_the_web_have_nobody_told(
    make_settings: MakeSettings, worker: ScriptedWorker, receiver: Receiver
) -> None:
    worker.announce(model="tiny", state="loaded")
    page = {"origin": "https://evil.example"}
    with ApiServer(make_settings(allow_private_webhooks=True)) as api, httpx.Client(base_url=api.url) as http:
        assert http.post(CHAT, json=chat(), headers=page).status_code == 200
        for asked in ({"json": chat(webhook=receiver.url)}, {"json": chat()}):
            answer = http.post(CHAT, headers={**page, "x-webhook": receiver.url}, **asked)  # type: ignore[arg-type]
            assert answer.status_code == 403
        assert http.get(DELIVERIES, headers=page).status_code == 403
        assert http.get(DELIVERIES, headers={"x-forwarded-for": "203.0.113.7"}).status_code == 403
        assert listed(http) == []


def test_the_setting_is_told_of_all_but_the_requests_of_batches(
    make_settings: MakeSettings, worker: ScriptedWorker, receiver: Receiver, tmp_path: Path
) -> None:
    settings = make_settings(
        data_dir=tmp_path / "data", webhook_url=receiver.url, webhook_events="batch.*, job.completed"
    )
    with (
        ApiServer(settings) as api,
        httpx.Client(base_url=api.url, timeout=30) as http,
        openai.OpenAI(base_url=f"{api.url}/v1", api_key="any") as sdk,
    ):
        http.post(CHAT, json=chat()).raise_for_status()
        first = receiver.next()
        assert first.event["type"] == "job.completed"
        assert "webhook-signature" not in first.headers, "there is no secret"
        batch = ended(sdk, start(sdk, chats(5, webhook=receiver.url)))
        event = receiver.next().event
        assert (event["type"], event["data"]) == ("batch.completed", {"id": batch.id})
        until(http, "delivered", job=batch.id)
        assert len(receiver.all) == 2


def test_a_batch_has_openais_event(
    sdk: openai.OpenAI, http: httpx.Client, worker: ScriptedWorker, receiver: Receiver
) -> None:
    batch = ended(sdk, start(sdk, chats(2), extra_body={"webhook": receiver.url}))
    told = receiver.next().verified()
    assert isinstance(told, BatchCompletedWebhookEvent)
    assert told.data.id == batch.id
    refused = ended(sdk, start(sdk, ["no JSON"], extra_headers={"X-Webhook": receiver.url}))
    told = receiver.next().verified()
    assert (refused.status, told.type, told.data.id) == ("failed", "batch.failed", refused.id)


def test_an_hour_without_the_receiver_and_a_killed_api_and_it_is_told_once(
    settings: Settings, model_root: Path, worker: ScriptedWorker, receiver: Receiver, clean_redis: redis.Redis
) -> None:
    environment = {
        "REDIS_URL": settings.redis_url,
        "MODEL_ROOTS": str(model_root),
        "LLM_MODEL": "tiny",
        "ALLOW_PRIVATE_WEBHOOKS": "1",
        "WEBHOOK_SECRET": SECRET,
        "PORT": str(free_port()),
    }
    url = f"http://127.0.0.1:{environment['PORT']}"
    program = Program([sys.executable, "-m", "api"], environment)
    try:
        program.line("listening on")
        # The receiver takes the first request and does not answer; the API dies meanwhile.
        receiver.go.clear()
        with httpx.Client(base_url=url, timeout=30) as http:
            job_id = http.post(CHAT, json=chat(webhook=receiver.url)).raise_for_status().json()["id"]
            first = receiver.next()
            assert [row["status"] for row in listed(http)] == ["sending"]
        program.kill()
        receiver.usual = 503
        receiver.go.set()
        # Its lease is over; then the receiver stays away for an hour.
        for later in (60, 150, 500, 1_500, 3_500):
            assert deliver(settings, later) == 1
            assert deliver(settings, later) == 0, "there is a pause after each attempt"
        assert ScheduledJobRegistry("webhook", connection=clean_redis).get_job_ids() == [f"evt_{job_id}"]

        receiver.usual = 200
        program = Program([sys.executable, "-m", "api"], environment)
        program.line("listening on")
        assert deliver(settings, 3 * HOUR) == 1
        assert deliver(settings, 100 * HOUR) == 0
        with httpx.Client(base_url=url, timeout=30) as http:
            row = until(http, "delivered", job=job_id)
        assert [each["status"] for each in row["attempts"]] == [503] * 5 + [200]
        assert {each.id for each in receiver.all} == {first.id}
        assert {each.body for each in receiver.all} == {first.body}
        receiver.all[-1].verified()
    finally:
        program.kill()


def test_what_receivers_answer_decides_what_follows(
    http: httpx.Client,
    worker: ScriptedWorker,
    receiver: Receiver,
    settings: Settings,
    clean_redis: redis.Redis,
) -> None:
    def told(status: int) -> dict[str, Any]:
        # An earlier delivery may be tried again meanwhile.
        receiver.by_path[str(status)] = status
        asked = chat(webhook=f"{receiver.url}/{status}")
        job_id = http.post(CHAT, json=asked).raise_for_status().json()["id"]
        return until(http, "failed" if status == 410 else "retrying", job=job_id)

    for status in (500, 404, 302, 429):
        row = told(status)
        assert 3 <= row["next_attempt_at"] - row["attempts"][-1]["at"] <= 60
    receiver.headers = {"retry-after": "900", "location": "http://127.0.0.1:1/elsewhere"}
    row = told(503)
    assert 890 <= row["next_attempt_at"] - row["attempts"][-1]["at"] <= 960
    assert told(410)["next_attempt_at"] is None
    row = told(503)
    # RQ's tools tell the same.
    queue = Queue("webhook", connection=clean_redis, serializer=JSONSerializer)
    assert queue in Queue.all(connection=clean_redis, serializer=JSONSerializer)
    registry = ScheduledJobRegistry("webhook", connection=clean_redis)
    wait_for(lambda: len(registry.get_job_ids()) == 6)
    job = Job.fetch(row["id"], connection=clean_redis, serializer=JSONSerializer)
    assert (job.get_status().value, job.origin, job.description) == (
        "scheduled",
        "webhook",
        "webhook(job.completed)",
    )
    assert len(FailedJobRegistry("webhook", connection=clean_redis).get_job_ids()) == 1
    receiver.by_path.clear()
    finished = FinishedJobRegistry("webhook", connection=clean_redis)

    def arrived() -> bool:
        deliver(settings, 40 * HOUR)
        return len(finished.get_job_ids()) == 6

    wait_for(arrived)
    assert "mlxq_webhook_attempts_total" in http.get("/metrics").text


def test_a_receiver_that_does_not_answer_is_asked_again(
    settings: Settings, worker: ScriptedWorker, receiver: Receiver
) -> None:
    hasty = settings.model_copy(update={"webhook_timeout": 0.2})
    receiver.go.clear()
    with ApiServer(hasty) as api, httpx.Client(base_url=api.url, timeout=30) as http:
        http.post(CHAT, json=chat(webhook=receiver.url)).raise_for_status()
        assert until(http, "retrying")["attempts"][0]["error"] == "no answer within 0.2 s"


def test_a_delivery_is_made_again_on_request(
    http: httpx.Client, worker: ScriptedWorker, receiver: Receiver
) -> None:
    receiver.answers = [410]
    http.post(CHAT, json=chat(webhook=receiver.url)).raise_for_status()
    first = receiver.next()
    row = until(http, "failed")
    again = http.post(f"{DELIVERIES}/{row['id']}/redeliver").raise_for_status().json()
    assert again["id"] == row["id"]
    second = receiver.next()
    assert (second.id, second.body) == (first.id, first.body)
    second.verified()
    assert len(until(http, "delivered")["attempts"]) == 1
    # What arrived is sent again, too.
    http.post(f"{DELIVERIES}/{row['id']}/redeliver").raise_for_status()
    assert receiver.next().id == first.id
    until(http, "delivered")
    assert http.post(f"{DELIVERIES}/evt_nothing/redeliver").status_code == 404


def test_each_key_sees_its_own_deliveries(
    make_settings: MakeSettings, worker: ScriptedWorker, receiver: Receiver, tmp_path: Path
) -> None:
    settings = make_settings(
        api_keys="ann,bob", admin_keys="chief", allow_private_webhooks=True, data_dir=tmp_path
    )
    with ApiServer(settings) as api:
        ann, bob, chief = (
            httpx.Client(base_url=api.url, timeout=30, headers={"authorization": f"Bearer {key}"})
            for key in ("ann", "bob", "chief")
        )
        with ann, bob, chief:
            ann.post(CHAT, json=chat(webhook=receiver.url)).raise_for_status()
            receiver.next()
            row = until(ann, "delivered")
            assert (listed(bob), len(listed(chief))) == ([], 1)
            assert bob.get(f"{DELIVERIES}/{row['id']}").status_code == 404
            assert bob.post(f"{DELIVERIES}/{row['id']}/redeliver").status_code == 404
            assert chief.get(f"{DELIVERIES}/{row['id']}").status_code == 200


def test_the_log_and_what_waits_are_bounded(
    http: httpx.Client,
    worker: ScriptedWorker,
    receiver: Receiver,
    settings: Settings,
    clean_redis: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobs.webhooks.store.MOST_KEPT", 3)
    for _ in range(5):
        http.post(CHAT, json=chat(webhook=receiver.url)).raise_for_status()
    for _ in range(5):
        receiver.next()
    wait_for(lambda: len(list(clean_redis.scan_iter("rq:job:evt_*"))) == 3)
    wait_for(lambda: not listed(http, status="sending"))
    assert len(listed(http)) == 3
    assert clean_redis.zcard(keys.DELIVERIES) == 3
    # As many wait as may: the next event is left out, the job is not.
    names = {f"evt_{number}": 9e9 for number in range(10_000)}
    clean_redis.zadd(keys.scheduled("webhook"), names)
    answer = http.post(CHAT, json=chat(webhook=receiver.url))
    assert answer.status_code == 200
    assert listed(http, job=answer.json()["id"]) == []
    assert clean_redis.hget(keys.METRICS, "webhooks|dropped") == b"1"


def test_a_receiver_that_is_slow_keeps_no_other_waiting(
    http: httpx.Client, worker: ScriptedWorker, receiver: Receiver
) -> None:
    receiver.go.clear()
    with Receiver() as other:
        for _ in range(12):
            http.post(CHAT, json=chat(webhook=receiver.url)).raise_for_status()
        http.post(CHAT, json=chat(webhook=other.url)).raise_for_status()
        other.next()
    assert 0 < len(receiver.all) <= 12
    receiver.go.set()
