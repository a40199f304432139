"""The same chat as a job: submitted, polled, watched, cancelled, listed."""

import threading
from typing import Any

import httpx
import pytest
import redis

from jobs import keys
from jobs.errors import EngineFailure
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.jobs import waiting
from tests.support.scripted_worker import Run, ScriptedWorker

CHAT = "/v1/chat/completions"
ASYNC = {"prefer": "respond-async"}


def submit(http: httpx.Client, text: str = "Hello", **fields: Any) -> str:
    """The id of a job that nobody waits for."""
    answer = http.post(CHAT, json=chat(text, **fields), headers=ASYNC)
    assert answer.status_code == 202
    return str(answer.json()["id"])


class Events:
    """A job's events as a client reads them."""

    def __init__(self, text: str) -> None:
        self.frames = [frame for frame in text.split("\n\n") if frame and not frame.startswith(":")]
        rows = [dict(line.split(": ", 1) for line in frame.split("\n")) for frame in self.frames]
        self.ids = [row["id"] for row in rows]
        self.names = [row["event"] for row in rows]
        self.data = [row["data"] for row in rows]

    @staticmethod
    def read(http: httpx.Client, job_id: str, **headers: str) -> "Events":
        answer = http.get(
            f"/v1/jobs/{job_id}/events", headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        return Events(answer.text)


def test_a_job_is_accepted_at_once(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    answer = http.post(CHAT, json=chat("later"), headers=ASYNC)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["x-request-id"] == job["id"]
    assert answer.headers["location"] == job["urls"]["get"]
    assert (job["object"], job["status"], job["position"]) == ("job", "queued", 1)
    second = http.post(CHAT, json=chat("later still", background=True)).json()
    assert second == http.get(second["urls"]["get"]).json()
    assert (second["position"], second["waits_for"]) == (2, "turn")
    listed = {row["id"]: row["position"] for row in http.get("/v1/jobs").json()["data"]}
    assert listed == {job["id"]: 1, second["id"]: 2}
    worker.resume()
    job = http.get(job["urls"]["get"], params={"wait": 20}).json()
    assert job["status"] == "completed"
    assert job["result"]["object"] == "chat.completion"
    assert job["result"]["id"] == job["id"]
    assert job["result"]["choices"][0]["message"]["content"] == "later"
    assert job["attempts"] == 1
    assert job["timings"]["created_at"] <= job["timings"]["started_at"] <= job["timings"]["ended_at"]
    assert job["error"] is None


@pytest.mark.parametrize("prefer", ["wait=20", "respond-async, wait=20", 'respond-async;x=1, wait="20"'])
def test_a_wait_that_is_long_enough_gets_the_answer(
    http: httpx.Client, worker: ScriptedWorker, prefer: str
) -> None:
    answer = http.post(CHAT, json=chat("now"), headers={"prefer": prefer})
    assert answer.status_code == 200
    assert "wait=20" in answer.headers["preference-applied"]
    assert answer.json()["choices"][0]["message"]["content"] == "now"


def test_a_wait_that_is_too_short_gets_the_job(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    answer = http.post(CHAT, json=chat(), headers={"prefer": "wait=1"})
    assert answer.status_code == 202
    assert answer.json()["status"] == "queued"
    assert http.get(answer.json()["urls"]["get"], params={"wait": 0.01}).json()["status"] == "queued"


def test_states_go_one_way(http: httpx.Client, worker: ScriptedWorker) -> None:
    go_on = threading.Event()

    def play(run: Run) -> None:
        assert go_on.wait(60)
        run.fail(EngineFailure("It broke."))

    worker.play(play)
    worker.pause()
    job_id = submit(http)
    assert http.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"
    worker.resume()
    assert worker.claimed.acquire(timeout=60)
    assert http.get(f"/v1/jobs/{job_id}").json()["status"] == "in_progress"
    go_on.set()
    job = http.get(f"/v1/jobs/{job_id}?wait=20").json()
    assert job["status"] == "failed"
    assert job["result"] is None
    assert job["error"] == {
        "message": "It broke.",
        "type": "server_error",
        "param": None,
        "code": "engine_error",
    }


def test_a_job_survives_the_api(
    http: httpx.Client, worker: ScriptedWorker, make_settings: MakeSettings
) -> None:
    worker.pause()
    job_id = submit(http, "survivor")
    with ApiServer(make_settings()) as other:
        worker.resume()
        job = httpx.get(f"{other.url}/v1/jobs/{job_id}?wait=20").json()
    assert job["result"]["choices"][0]["message"]["content"] == "survivor"


def test_events_are_named_and_numbered(http: httpx.Client, worker: ScriptedWorker) -> None:
    job_id = submit(http, "four more", stream=True)
    events = Events.read(http, job_id)
    assert events.names == ["started", "delta", "delta", "delta", "completed"]
    assert '"text":"four"' in events.data[1]
    assert len(set(events.ids)) == 5


def test_events_are_resumed_without_gap_or_duplicate(http: httpx.Client, worker: ScriptedWorker) -> None:
    job_id = submit(http, "a story of many words", stream=True)
    whole = Events.read(http, job_id)
    for place, event_id in enumerate(whole.ids[:-1]):
        rest = Events.read(http, job_id, last_event_id=event_id)
        assert rest.frames == whole.frames[place + 1 :]
        answer = http.get(f"/v1/jobs/{job_id}/events", params={"after": event_id})
        assert Events(answer.text).frames == rest.frames
    assert http.get(f"/v1/jobs/{job_id}/events", headers={"last-event-id": whole.ids[-1]}).status_code == 204


def test_a_watcher_that_was_cut_off_misses_nothing(http: httpx.Client, worker: ScriptedWorker) -> None:
    cut_off, words = threading.Event(), [f"{n} " for n in range(50)]

    def play(run: Run) -> None:
        run.say(*words[:20])
        assert cut_off.wait(60)
        run.say(*words[20:])
        run.complete("".join(words))

    worker.play(play)
    job_id = submit(http, stream=True)
    seen: list[str] = []
    with http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("id: "):
                seen.append(line[4:])
            if len(seen) == 10:
                break
    cut_off.set()
    rest = Events.read(http, job_id, last_event_id=seen[-1])
    whole = Events.read(http, job_id)
    assert seen + rest.ids == whole.ids
    assert whole.names == ["started", *["delta"] * 50, "completed"]


def test_a_watcher_that_leaves_cancels_nothing(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    job_id = submit(http)
    with http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert next(answer.iter_lines()).startswith(": queued")
    worker.resume()
    assert http.get(f"/v1/jobs/{job_id}?wait=20").json()["status"] == "completed"


def test_an_ended_job_tells_its_end_when_its_events_are_gone(
    http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    job_id = submit(http, "gone")
    assert http.get(f"/v1/jobs/{job_id}?wait=20").json()["status"] == "completed"
    clean_redis.delete(keys.events(job_id))
    events = Events.read(http, job_id)
    assert events.names == ["completed"]
    assert '"content":"gone"' in events.data[0]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/cancel"), ("PUT", "/cancel"), ("PUT", ""), ("DELETE", "")]
)
def test_a_waiting_job_is_cancelled_at_once(
    http: httpx.Client, worker: ScriptedWorker, method: str, path: str
) -> None:
    worker.pause()
    job_id = submit(http)
    answer = http.request(method, f"/v1/jobs/{job_id}{path}")
    assert answer.json()["status"] == "cancelled"
    again = http.request(method, f"/v1/jobs/{job_id}{path}")
    assert again.status_code == 409
    assert again.headers["x-should-retry"] == "false"
    worker.resume()
    assert Events.read(http, job_id).names == ["cancelled"]
    assert worker.runs == []


def test_a_running_job_is_cancelled_in_its_next_step(http: httpx.Client, worker: ScriptedWorker) -> None:
    asked = threading.Event()

    def play(run: Run) -> None:
        assert run.until_cancelled()
        assert asked.wait(60)
        run.cancelled()

    worker.play(play)
    job_id = submit(http)
    assert worker.claimed.acquire(timeout=60)
    assert http.post(f"/v1/jobs/{job_id}/cancel").json()["cancelling"] is True
    asked.set()
    assert http.get(f"/v1/jobs/{job_id}?wait=20").json()["status"] == "cancelled"


def test_a_call_whose_job_somebody_cancels_ends(
    http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    answers: list[httpx.Response] = []
    worker.pause()
    caller = threading.Thread(target=lambda: answers.append(http.post(CHAT, json=chat())))
    caller.start()
    ids: list[str] = []
    while not ids:
        ids = waiting(clean_redis)
    assert http.delete(f"/v1/jobs/{ids[0]}").status_code == 200
    caller.join(60)
    assert answers[0].status_code == 499
    assert answers[0].json()["error"]["code"] == "job_cancelled"


def test_listing_pages_through_every_job_once(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    ids = [submit(http, f"secret {n}") for n in range(7)]
    pages: list[list[str]] = []
    after: dict[str, str] = {}
    while True:
        page = http.get("/v1/jobs", params={"limit": 3, **after}).json()
        pages.append([job["id"] for job in page["data"]])
        assert (page["first_id"], page["last_id"]) == (pages[-1][0], pages[-1][-1])
        if not page["has_more"]:
            break
        after = {"after": page["last_id"]}
        submit(http, "newer ones do not move the cursor")
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [job_id for page in pages for job_id in page] == ids[::-1]


def test_a_list_says_why_jobs_have_failed(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.fail(EngineFailure("The model is broken.")))
    failed = http.get(f"/v1/jobs/{submit(http)}?wait=20").json()
    assert failed["error"]["message"] == "The model is broken."
    (listed,) = http.get("/v1/jobs", params={"status": "failed"}).json()["data"]
    assert listed == failed


def test_listing_filters_and_never_shows_what_was_said(http: httpx.Client, worker: ScriptedWorker) -> None:
    done = submit(http, "secret one")
    assert http.get(f"/v1/jobs/{done}?wait=20").json()["status"] == "completed"
    worker.pause()
    http.post(CHAT, json=chat("secret two"), headers={**ASYNC, "x-app": "notes"})
    everything = http.get("/v1/jobs")
    assert "secret" not in everything.text
    assert len(everything.json()["data"]) == 2

    def ids(**query: str) -> list[str]:
        return [job["id"] for job in http.get("/v1/jobs", params=query).json()["data"]]

    assert ids(status="completed") == [done]
    assert len(ids(status="queued")) == 1
    assert ids(app="notes") == ids(status="queued")
    assert ids(app="nobody") == []
    assert len(ids(queue="llm")) == 2
    assert ids(queue="image") == []
    assert ids(queue="download") == []
    assert ids(id=done[-9:]) == [done]
    assert len(ids(kind="chat", model="tin")) == 2
    assert ids(kind="image") == ids(model="other") == []
    for name in ("queue", "kind"):
        assert http.get("/v1/jobs", params={name: "other"}).status_code == 400


def test_queue_stats(http: httpx.Client, worker: ScriptedWorker) -> None:
    go_on = threading.Event()

    def play(run: Run) -> None:
        assert go_on.wait(60)
        run.complete()

    http.post(CHAT, json=chat()).raise_for_status()
    assert worker.claimed.acquire(timeout=60)
    worker.play(play)
    running = submit(http)
    assert worker.claimed.acquire(timeout=60)
    worker.pause()
    submit(http)
    queues = http.get("/v1/queue/stats").json()["queues"]
    assert (queues["llm"]["waiting"], queues["llm"]["running"], queues["llm"]["finished"]) == (1, 1, 1)
    assert queues["llm"]["median_wait_seconds"] >= 0
    assert queues["image"]["median_wait_seconds"] is None
    go_on.set()
    http.get(f"/v1/jobs/{running}?wait=20")
