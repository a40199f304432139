"""The order of waiting jobs through HTTP: classes, apps, pauses, and what a full queue does."""

import threading
from typing import Any

import httpx
import pytest

from jobs.worker_state import Rest
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

CHAT = "/v1/chat/completions"
ASYNC = {"prefer": "respond-async"}


def submit(http: httpx.Client, text: str, priority: str = "normal", app: str = "app") -> str:
    body = chat(text, priority=priority)
    answer = http.post(CHAT, json=body, headers={**ASYNC, "x-app": app})
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def job(http: httpx.Client, job_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = http.get(f"/v1/jobs/{job_id}").raise_for_status().json()
    return shown


def order_of(worker: ScriptedWorker, number: int) -> list[str]:
    """What the first jobs that were begun had to answer."""
    for _ in range(number):
        assert worker.claimed.acquire(timeout=60)
    return [run.payload["messages"][-1]["content"] for run in worker.runs[:number]]


@pytest.fixture
def wide(make_settings: MakeSettings) -> Any:
    with ApiServer(make_settings(queue_limit=200)) as server, httpx.Client(base_url=server.url) as client:
        yield client


def test_a_chat_goes_before_a_hundred_background_jobs(wide: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    for number in range(100):
        submit(wide, f"background {number}", "background")
    answers: list[httpx.Response] = []
    person = threading.Thread(target=lambda: answers.append(wide.post(CHAT, json=chat("person"), timeout=60)))
    person.start()
    while wide.get("/v1/queue/stats").json()["queues"]["llm"]["waiting"] < 101:
        pass
    row = wide.get("/v1/queue/stats").json()["queues"]["llm"]
    assert row["waiting_by_class"] == {"interactive": 1, "normal": 0, "background": 100}
    worker.resume()
    assert order_of(worker, 3) == ["person", "background 0", "background 1"]
    person.join(60)
    assert answers[0].status_code == 200


def test_apps_take_turns(wide: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    for number in range(20):
        submit(wide, f"many {number}", app="many")
    one = submit(wide, "one", app="one")
    assert job(wide, one)["position"] <= 2
    worker.resume()
    assert "one" in order_of(worker, 3)


def test_sessions_of_a_program_take_turns(wide: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()

    def ask(text: str, session: str) -> None:
        headers = {**ASYNC, "x-app": "cli", "x-claude-code-session-id": session}
        wide.post(CHAT, json=chat(text), headers=headers).raise_for_status()

    for number in range(20):
        ask(f"first {number}", "a")
    ask("second", "b")
    for path, text, key in ((CHAT, "third", "c"), ("/api/chat", "fourth", "d")):
        body = chat(text, prompt_cache_key=key)
        wide.post(path, json=body, headers={**ASYNC, "x-app": "cli"}).raise_for_status()
    worker.resume()
    assert {"second", "third", "fourth"} < set(order_of(worker, 5))


def test_a_paused_queue(http: httpx.Client, worker: ScriptedWorker) -> None:
    paused = http.post("/v1/queue/pause", params={"queue": "llm"}).raise_for_status().json()
    assert (paused["paused"], paused["queues"]["llm"]["paused"], paused["queues"]["asr"]["paused"]) == (
        False,
        True,
        False,
    )
    waits = submit(http, "waits")
    assert job(http, waits)["waits_for"] == "paused"
    (listed,) = http.get("/v1/jobs").json()["data"]
    assert (listed["waits_for"], listed["position"]) == ("paused", 1)
    http.post("/v1/queue/resume").raise_for_status()
    assert http.get(f"/v1/jobs/{waits}?wait=20").json()["status"] == "completed"
    assert job(http, waits)["waits_for"] is None
    assert http.post("/v1/queue/pause", params={"queue": "other"}).status_code == 400
    assert http.post("/v1/queue/pause", params={"service_class": "other"}).status_code == 400


def test_jobs_are_held_moved_and_ranked(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    names = ("held", "a", "b", "urgent", "front")
    ids = {name: submit(http, name) for name in names}

    def change(name: str, verb: str, **params: str) -> dict[str, Any]:
        answer = http.post(f"/v1/jobs/{ids[name]}/{verb}", params=params)
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return changed

    held = change("held", "hold")
    assert (held["status"], held["waits_for"], held["position"]) == ("queued", "held", None)
    assert change("b", "move", to="up")["position"] == 1
    assert change("front", "move", to="front")["position"] == 1
    ranked = change("urgent", "class", service_class="interactive")
    assert (ranked["service_class"], ranked["position"]) == ("interactive", 1)
    assert job(http, ids["front"])["position"] == 2
    worker.resume()
    assert order_of(worker, 4) == ["urgent", "front", "b", "a"]
    assert change("held", "release")["waits_for"] in ("turn", "worker", "model", None)
    assert http.get(f"/v1/jobs/{ids['held']}?wait=20").json()["status"] == "completed"
    late = http.post(f"/v1/jobs/{ids['held']}/hold")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
    assert http.post(f"/v1/jobs/{ids['held']}/move?to=back").status_code == 400
    assert http.post("/v1/jobs/unknown/hold").status_code == 404


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (CHAT, lambda body: body["error"]["code"] == "displaced"),
        ("/v1/messages", lambda body: body["error"]["type"] == "rate_limit_error"),
        ("/api/chat", lambda body: body["error"]),
    ],
)
def test_a_full_queue_displaces_a_background_job_whose_client_is_told(
    make_settings: MakeSettings, worker: ScriptedWorker, path: str, code: Any
) -> None:
    answers: list[httpx.Response] = []
    with ApiServer(make_settings(queue_limit=1)) as server, httpx.Client(base_url=server.url) as http:
        worker.pause()
        body = {**chat("patient", priority="background"), "stream": False, "max_tokens": 9}
        patient = threading.Thread(target=lambda: answers.append(httpx.post(server.url + path, json=body)))
        patient.start()
        while http.get("/v1/queue/stats").json()["queues"]["llm"]["waiting"] < 1:
            pass
        assert http.post(CHAT, json=chat("late", priority="background")).status_code == 429
        urgent = submit(http, "urgent")
        patient.join(60)
        assert answers[0].status_code == 429
        assert code(answers[0].json())
        assert "make way" in answers[0].text
        refused = http.post(CHAT, json=chat("another"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
        worker.resume()
        assert http.get(f"/v1/jobs/{urgent}?wait=20").json()["status"] == "completed"


def test_a_waiting_job_says_what_it_waits_for(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    first, second = submit(http, "first"), submit(http, "second")
    assert [job(http, each)["waits_for"] for each in (first, second)] == ["model", "turn"]
    worker.announce(model=worker_model(http, first), state="loaded")
    assert job(http, first)["waits_for"] == "turn"
    assert [job(http, each)["wait_reason"] for each in (first, second)] == [
        "it is next, when a place is free",
        "1 job is before it",
    ]
    worker.vanish()
    assert job(http, first)["waits_for"] == "worker"
    worker.announce()
    worker.resume()


def test_a_background_job_says_until_when_it_waits(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    worker.announce(rest=Rest(("hours",), "background work waits until 22:00", 1000.0, 2000.5))
    background, normal = submit(http, "later", "background"), submit(http, "now")
    told = job(http, background)
    assert (told["waits_for"], told["wait_reason"]) == ("policy", "background work waits until 22:00")
    assert told["eta"] is None
    assert job(http, normal)["waits_for"] != "policy"
    listed = {each["id"]: each["wait_reason"] for each in http.get("/v1/jobs").json()["data"]}
    assert listed[background] == "background work waits until 22:00"
    expected = {"reasons": ["hours"], "message": "background work waits until 22:00"}
    assert http.get("/v1/queue/stats").json()["resting"] == [{**expected, "since": 1000.0, "until": 2000.5}]
    # A pause is told first: resuming is up to the user.
    http.post("/v1/queue/pause", params={"service_class": "background"}).raise_for_status()
    assert job(http, background)["wait_reason"] == "background jobs of llm are paused"
    http.post("/v1/queue/resume").raise_for_status()
    worker.announce()
    assert job(http, background)["waits_for"] != "policy"
    assert http.get("/v1/queue/stats").json()["resting"] == []
    worker.resume()
    assert http.get(f"/v1/jobs/{background}?wait=20").json()["status"] == "completed"


def worker_model(http: httpx.Client, _: str) -> str:
    """The id of the model that these requests use."""
    models = http.get("/v1/models").json()["data"]
    return str(next(model["id"] for model in models if model["id"] == "tiny"))
