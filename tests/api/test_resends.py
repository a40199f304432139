"""Clients that leave and send the same request again: it finds its job, in every dialect and form."""

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis

from jobs import keys
from tests.api.conftest import MakeSettings
from tests.api.requests import chat, completion
from tests.api.test_disconnect import RawClient, status_of
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import Run, ScriptedWorker
from tests.support.waits import wait_for

CHAT = "/v1/chat/completions"
#: What agents and SDKs send beside the body (facts about real clients); none says that it asks again.
CODEX = {"accept": "text/event-stream", "originator": "codex_exec", "session-id": "s-1", "thread-id": "t-1"}
CLAUDE = {
    "anthropic-version": "2023-06-01",
    "x-app": "cli",
    "x-claude-code-session-id": "s-1",
    "x-stainless-retry-count": "0",
    "x-stainless-timeout": "600",
}
SDK = {"user-agent": "OpenAI/Python 3.57.0", "x-stainless-retry-count": "0", "x-stainless-lang": "python"}
SAID = "said once"
_numbers = itertools.count()


class Held:
    """A script that answers when it is told to."""

    def __init__(self, text: str = SAID) -> None:
        self.go_on = threading.Event()
        self._text = text

    def __call__(self, run: Run) -> None:
        if run.claim.stream:
            run.say(self._text[:3])
        assert self.go_on.wait(60)
        run.complete(self._text)


class Client:
    """Sends requests that it does not wait for."""

    def __init__(self, api: ApiServer, redis_server: redis.Redis) -> None:
        self._api, self._redis = api, redis_server

    def leave(self, worker: ScriptedWorker, path: str, body: dict[str, Any], **headers: str) -> str:
        """Ask, and leave when the job runs. Returns the job, which lingers."""
        client = RawClient(self._api, body, path=path, content_type="application/json", **headers)
        assert worker.claimed.acquire(timeout=60)
        job_id = worker.runs[-1].claim.job_id
        client.leave()
        wait_for(lambda: self._redis.hget(keys.job(job_id), "mlxq_left"))
        return job_id


@pytest.fixture
def client(api: ApiServer, clean_redis: redis.Redis) -> Client:
    return Client(api, clean_redis)


def dialects(streams: bool) -> dict[str, tuple[str, dict[str, Any]]]:
    """The same question in each dialect."""
    asked = f"What is new? {next(_numbers)}"
    messages = [{"role": "user", "content": asked}]
    return {
        "chat": (CHAT, chat(asked, stream=streams)),
        "completions": ("/v1/completions", completion(asked, stream=streams)),
        "responses": ("/v1/responses", {"model": "tiny", "input": asked, "stream": streams, "store": False}),
        "messages": (
            "/v1/messages",
            {"model": "tiny", "messages": messages, "max_tokens": 99, "stream": streams},
        ),
    }


@pytest.mark.parametrize(
    ("dialect", "before", "after"),
    [
        *(("chat", before, after) for before in (False, True) for after in (False, True)),
        *((dialect, True, False) for dialect in ("completions", "responses", "messages")),
        ("responses", True, True),
    ],
)
def test_the_same_request_gets_the_job_of_the_client_that_left(
    client: Client, http: httpx.Client, worker: ScriptedWorker, dialect: str, before: bool, after: bool
) -> None:
    held = Held()
    worker.play(held)
    path, body = dialects(before)[dialect]
    job_id = client.leave(worker, path, body)
    shown = http.get(f"/v1/jobs/{job_id}").json()
    assert shown["lingers_until"] is not None
    assert shown["status"] == "in_progress"
    threading.Timer(0.2, held.go_on.set).start()
    again = {**body, "stream": after} if "stream" in body else body
    answer = http.post(path, json=again)
    assert answer.headers["x-request-id"] == job_id
    assert SAID in "".join(json_texts(answer.text)) if after else SAID in answer.text
    assert len(worker.runs) == 1
    assert http.get(f"/v1/jobs/{job_id}").json()["lingers_until"] is None


def json_texts(stream: str) -> Iterator[str]:
    """Every new text in a stream of any dialect."""
    for line in stream.splitlines():
        if line.startswith("data: {"):
            event = json.loads(line[6:])
            choices = event.get("choices") or [{}]
            found = [
                (choices[0].get("delta") or {}).get("content"),
                choices[0].get("text"),
                event.get("delta") if isinstance(event.get("delta"), str) else None,
                (event.get("delta") or {}).get("text") if isinstance(event.get("delta"), dict) else None,
            ]
            yield from filter(None, found)


@pytest.mark.parametrize("headers", [CODEX, CLAUDE, SDK], ids=["codex", "claude", "sdk"])
def test_five_resends_of_an_impatient_agent_are_one_job(
    client: Client, http: httpx.Client, worker: ScriptedWorker, headers: dict[str, str]
) -> None:
    held = Held()
    worker.play(held)
    body = chat("read this", stream=True)
    first = client.leave(worker, CHAT, body, **{name.replace("-", "_"): v for name, v in headers.items()})
    for _ in range(4):
        with http.stream("POST", CHAT, json=body, headers=headers) as again:
            assert again.headers["x-request-id"] == first
            next(again.iter_lines())
        wait_for(lambda: http.get(f"/v1/jobs/{first}").json()["lingers_until"])
    held.go_on.set()
    answer = http.post(CHAT, json=body, headers=headers)
    assert answer.headers["x-request-id"] == first
    assert "".join(json_texts(answer.text)) == SAID
    assert len(worker.runs) == 1


def test_a_finished_answer_that_nobody_got_is_given_to_who_asks_again(
    client: Client, http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    held = Held()
    worker.play(held)
    job_id = client.leave(worker, CHAT, chat("late"))
    held.go_on.set()
    wait_for(lambda: status_of(clean_redis, job_id) == b"finished")
    assert http.post(CHAT, json=chat("late")).json()["id"] == job_id
    # It was delivered: the same question is a new one.
    assert http.post(CHAT, json=chat("late")).json()["id"] != job_id


def test_the_same_question_twice_has_two_answers(http: httpx.Client, worker: ScriptedWorker) -> None:
    ids = {http.post(CHAT, json=chat("again", stream=False)).json()["id"] for _ in range(20)}
    assert len(ids) == 20
    for _ in range(5):
        http.post(CHAT, json=chat("again", stream=True))
    assert len(worker.runs) == 25


def test_an_answer_that_a_seed_determines_is_not_made_twice(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    first = http.post(CHAT, json=chat("seeded", seed=1)).json()["id"]
    assert http.post(CHAT, json=chat("seeded", seed=1)).json()["id"] == first
    assert http.post(CHAT, json=chat("seeded", seed=2)).json()["id"] != first
    fresh = http.post(CHAT, json=chat("seeded", seed=1), headers={"cache-control": "no-cache"})
    assert fresh.json()["id"] != first


@pytest.mark.parametrize(
    "fresh",
    [{"cache-control": "max-age=0, no-cache"}, {"idempotency-key": "another"}, {"authorization": "Bearer x"}],
)
def test_who_asks_for_a_fresh_answer_gets_one(
    client: Client, http: httpx.Client, worker: ScriptedWorker, fresh: dict[str, str]
) -> None:
    held = Held()
    worker.play(held)
    job_id = client.leave(worker, CHAT, chat("fresh"), idempotency_key="one")
    assert http.post(CHAT, json=chat("fresh"), headers=fresh).json()["id"] != job_id
    held.go_on.set()
    assert http.post(CHAT, json=chat("fresh"), headers={"idempotency-key": "one"}).json()["id"] == job_id


def test_two_that_ask_the_same_at_the_same_time_are_two(
    api: ApiServer, http: httpx.Client, worker: ScriptedWorker
) -> None:
    held = Held()
    worker.play(held)
    first = RawClient(api, chat("sample"))
    assert worker.claimed.acquire(timeout=60)
    assert http.post(CHAT, json=chat("sample")).json()["id"] != worker.runs[0].claim.job_id
    held.go_on.set()
    assert SAID.encode() in first.answer()
    first.leave()
    assert len(worker.runs) == 2


def test_each_of_several_lost_calls_finds_a_job(
    client: Client, http: httpx.Client, worker: ScriptedWorker
) -> None:
    helds = [Held(f"answer {number}") for number in range(3)]
    worker.play(*helds)
    lost = {client.leave(worker, CHAT, chat("samples"), cache_control="no-cache") for _ in helds}
    assert len(lost) == 3
    for held in helds:
        held.go_on.set()
    assert {http.post(CHAT, json=chat("samples")).json()["id"] for _ in helds} == lost


def test_a_job_that_waits_keeps_its_place_for_a_client_that_left(
    api: ApiServer, http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    worker.pause()
    client = RawClient(api, chat("first in line"), x_stainless_read_timeout="0.001")
    (job,) = wait_for(lambda: http.get("/v1/jobs").json()["data"])
    client.leave()
    wait_for(lambda: http.get("/v1/queue/stats").json()["queues"]["llm"]["lingering"])
    behind = RawClient(api, chat("second"))
    wait_for(lambda: len(http.get("/v1/jobs").json()["data"]) == 2)
    again = RawClient(api, chat("first in line"))
    wait_for(lambda: not http.get("/v1/queue/stats").json()["queues"]["llm"]["lingering"])
    assert http.get(f"/v1/jobs/{job['id']}").json()["position"] == 1
    worker.resume()
    assert b"first in line" in again.answer()
    assert b"second" in behind.answer()
    again.leave()
    behind.leave()
    assert worker.runs[0].claim.job_id == job["id"]


def test_a_lingering_job_counts_until_its_time_is_over(
    make_settings: MakeSettings, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    with ApiServer(make_settings(queue_limit=1)) as api, httpx.Client(base_url=api.url) as http:
        worker.pause()
        client = RawClient(api, chat("left"))
        (job,) = wait_for(lambda: http.get("/v1/jobs").json()["data"])
        client.leave()
        wait_for(lambda: http.get(f"/v1/jobs/{job['id']}").json()["lingers_until"])
        background = {"prefer": "respond-async"}
        assert http.post(CHAT, json=chat("other"), headers=background).status_code == 429
        clean_redis.zadd(keys.lingering("llm"), {job["id"]: 1})
        assert http.post(CHAT, json=chat("other"), headers=background).status_code == 202
        assert http.get(f"/v1/jobs/{job['id']}").json()["status"] == "cancelled"
        worker.resume()


def test_a_lingering_job_can_be_cancelled(client: Client, http: httpx.Client, worker: ScriptedWorker) -> None:
    saw = threading.Event()

    def play(run: Run) -> None:
        assert run.until_cancelled()
        run.cancelled()
        saw.set()

    worker.play(play)
    job_id = client.leave(worker, CHAT, chat("no more"))
    assert http.delete(f"/v1/jobs/{job_id}").status_code == 200
    assert saw.wait(60)
    assert http.post(CHAT, json=chat("no more")).json()["id"] != job_id
    assert http.get("/v1/queue/stats").json()["queues"]["llm"]["lingering"] == 0


def test_a_job_in_the_background_is_not_anybody_elses(http: httpx.Client, worker: ScriptedWorker) -> None:
    held = Held()
    worker.play(held)
    job_id = http.post(CHAT, json=chat("slow"), headers={"prefer": "respond-async"}).json()["id"]
    assert http.post(CHAT, json=chat("slow")).json()["id"] != job_id
    held.go_on.set()
