"""`/v1/events`: one stream that tells what all jobs, queues and workers do."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis

from api.http.callers.caller import Caller
from api.native.events import log as event_log
from api.native.events.log import EventLog, LoggedEvent
from jobs.errors import InvalidRequest
from jobs.worker_state import Rest
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.events import EventType
from tests.support.paces import learn
from tests.support.scripted_worker import Run, ScriptedWorker
from tests.support.server_events import ServerEvents, server_events

CHAT = "/v1/chat/completions"
EVENTS = "/v1/events"


def submit(http: httpx.Client, text: str = "Hello", **more: Any) -> str:
    answer = http.post(CHAT, json=chat(text, background=True, **more)).raise_for_status()
    return str(answer.json()["id"])


def ended(events: ServerEvents, job_id: str) -> dict[str, Any]:
    return events.until("job", lambda job: job["id"] == job_id and job["status"] == "completed").data


def test_a_jobs_life_is_told(http: httpx.Client, worker: ScriptedWorker) -> None:
    go = threading.Event()

    def read_and_answer(run: Run) -> None:
        run.emit(EventType.PROGRESS, done=512, total=2048, unit="prompt_tokens")
        go.wait(60)
        run.complete("Hi")

    worker.play(read_and_answer)
    worker.pause()
    with server_events(http, EVENTS) as events:
        first = events.next()
        assert first.name == "snapshot"
        assert (first.data["jobs"], first.data["more"]) == ([], False)
        assert first.data["queues"]["queues"]["llm"]["waiting"] == 0
        assert first.data["workers"][0]["slots"]["llm"][0]["state"] == "empty"
        job_id = submit(http)
        queued = events.until("job").data
        assert (queued["id"], queued["status"], queued["queue"]) == (job_id, "queued", "llm")
        assert queued["service_class"] == "normal"
        assert {"position", "eta", "progress", "result", "urls"}.isdisjoint(queued)
        order = events.until("order").data
        assert order == {"queue": "llm", "jobs": [job_id], "positions": [1], "etas": [None]}
        worker.resume()
        assert events.until("job").data["status"] == "in_progress"
        progress = events.until("progress").data
        assert (progress["id"], progress["progress"]["done"], progress["progress"]["total"]) == (
            job_id,
            512,
            2048,
        )
        go.set()
        last = ended(events, job_id)
        assert last["timings"]["run_seconds"] >= 0
        row = http.get(f"/v1/jobs/{job_id}").json()
        assert {name: row[name] for name in last if name != "error"} == {
            name: value for name, value in last.items() if name != "error"
        }


def test_who_comes_later_gets_what_is_there(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    jobs = [submit(http, f"number {number}") for number in range(3)]
    http.post(f"/v1/jobs/{jobs[1]}/hold")
    with server_events(http, EVENTS) as events:
        snapshot = events.next().data
        assert {job["id"]: job["waits_for"] for job in snapshot["jobs"]} == {
            jobs[0]: "model",
            jobs[1]: "held",
            jobs[2]: "turn",
        }
        (order,) = [each for each in snapshot["order"] if each["jobs"]]
        assert (order["jobs"], order["positions"]) == ([jobs[0], jobs[2]], [1, 2])


def test_the_end_of_a_job_is_foreseen(
    http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    learn(clean_redis, "tiny", read=0.01, write=0.1, answer=50, app="python-httpx")
    worker.announce(model="tiny", state="loaded")
    worker.pause()
    job_id = submit(http)
    with server_events(http, EVENTS) as events:
        assert [job["id"] for job in events.next().data["jobs"]] == [job_id]
        (eta,) = events.until("order", lambda order: None not in order["etas"]).data["etas"]
        assert eta == pytest.approx(http.get(f"/v1/jobs/{job_id}").json()["eta"], abs=2)


def test_what_users_change_is_told(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    first, second = submit(http, "one"), submit(http, "two")
    with server_events(http, EVENTS) as events:
        events.next()
        http.post(f"/v1/jobs/{second}/move?to=front")
        assert events.until("order").data["jobs"] == [second, first]
        http.post(f"/v1/jobs/{first}/class?service_class=background")
        changed = events.until("job", lambda job: job["id"] == first).data
        assert changed["service_class"] == "background"
        rest = Rest(("power",), "background work waits until the Mac is on AC power", 1000.0)
        worker.announce(rest=rest)
        told = events.until("job", lambda job: job["id"] == first and job["waits_for"] == "policy").data
        assert told["wait_reason"] == rest.message
        http.post(f"/v1/jobs/{first}/hold")
        assert events.until("job", lambda job: job["id"] == first).data["waits_for"] == "held"
        http.post(f"/v1/jobs/{first}/class?service_class=normal")
        assert events.until("job", lambda job: job["id"] == first).data["service_class"] == "normal"
        http.post("/v1/queue/pause?queue=llm")
        assert events.until("job", lambda job: job["id"] == second).data["waits_for"] == "paused"
        assert events.until("queues", lambda queues: queues["queues"]["llm"]["paused"])
        http.post(f"/v1/jobs/{first}/cancel")
        assert events.until("job", lambda job: job["id"] == first).data["status"] == "cancelled"
        http.post("/v1/queue/resume")
        worker.announce()


def test_a_failed_job_is_told_with_its_error(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.fail(InvalidRequest("It <b>can't</b> be done.")))
    with server_events(http, EVENTS) as events:
        events.next()
        submit(http)
        failed = events.until("job", lambda job: job["status"] == "failed").data
        assert failed["error"]["message"] == "It <b>can't</b> be done."


def test_a_client_that_comes_back_has_missed_nothing(
    api: ApiServer, http: httpx.Client, worker: ScriptedWorker
) -> None:
    worker.pause()
    job_id = submit(http)
    with server_events(http, EVENTS) as events:
        last = events.next().id
    worker.resume()
    http.get(f"/v1/jobs/{job_id}?wait=10")
    short = submit(http, "short")
    http.get(f"/v1/jobs/{short}?wait=10")
    with server_events(http, EVENTS, last_event_id=last) as events:
        assert events.next().name == "resumed"
        told = [events.until("job").data for _ in range(2)]
        assert {job["id"]: job["status"] for job in told} == {job_id: "completed", short: "completed"}
    for unknown in ("0-0", "x", f"{last.partition('-')[0]}-99999", "ffffffff-1"):
        with server_events(http, EVENTS, last_event_id=unknown) as events:
            assert events.next().name == "snapshot"


def test_nothing_is_read_while_nobody_listens(api: ApiServer, http: httpx.Client) -> None:
    feed = api.app.state.feed
    with server_events(http, EVENTS) as one, server_events(http, EVENTS) as other:
        assert one.next().name == other.next().name == "snapshot"
        assert (feed.listeners, feed.reads) == (2, True)
    deadline = time.monotonic() + 60
    while (feed.listeners, feed.reads) != (0, False):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_does_not_read_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "MOST_EVENTS", 3)
    log, everybody = EventLog(), Caller()
    for number in range(3):
        log.append(LoggedEvent("job", b"%d" % number))
    seen = log.id_of(1)
    assert [event.seen_by(everybody) for _, event in log.after(1) or ()] == [b"1", b"2"]
    assert log.number_of(seen) == 1
    for number in range(3):
        log.append(LoggedEvent("job", b"%d" % number))
    assert log.after(1) is None
    assert log.number_of(seen) is None


def test_a_server_that_stops_ends_the_stream_at_once(
    make_settings: MakeSettings, worker: ScriptedWorker
) -> None:
    with (
        ApiServer(make_settings()) as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
        server_events(http, EVENTS) as events,
    ):
        events.next()
        threading.Thread(target=server.stop).start()
        assert events.until("end").data == {"reason": "stopping"}


@pytest.fixture
def keyed(make_settings: MakeSettings, worker: ScriptedWorker) -> Iterator[ApiServer]:
    with ApiServer(make_settings(api_keys="key-of-ann,key-of-bob", admin_keys="key-of-chief")) as server:
        yield server


def test_each_key_is_told_of_its_own_jobs(keyed: ApiServer, worker: ScriptedWorker) -> None:
    worker.pause()
    clients = {
        name: httpx.Client(base_url=keyed.url, timeout=30, headers={"x-api-key": f"key-of-{name}"})
        for name in ("ann", "bob", "chief")
    }
    ann, bob, chief = clients.values()
    before = submit(ann, "of ann")
    with server_events(bob, EVENTS) as bobs, server_events(chief, EVENTS) as all_of_them:
        assert bobs.next().data["jobs"] == []
        assert [job["id"] for job in all_of_them.next().data["jobs"]] == [before]
        own = submit(bob, "of bob")
        told = [bobs.next() for _ in range(2)]
        assert before not in str(told)
        order = next(event for event in told if event.name == "order").data
        assert (order["jobs"], order["positions"]) == ([own], [2])
        assert all_of_them.until("order").data["jobs"] == [before, own]
    assert httpx.get(f"{keyed.url}{EVENTS}").status_code == 401
    for client in clients.values():
        client.close()


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"x-forwarded-for": "203.0.113.7"}],
    ids=str,
)
def test_others_are_told_nothing(http: httpx.Client, headers: dict[str, str]) -> None:
    answer = http.get(EVENTS, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")


def test_without_redis_it_is_a_503(make_settings: MakeSettings, clean_redis: redis.Redis) -> None:
    with ApiServer(make_settings(redis_url="redis://127.0.0.1:1")) as server:
        assert httpx.get(f"{server.url}{EVENTS}", timeout=60).status_code == 503
