"""How far a long prompt is read: in the job, in its events and in the keep-alives of a stream."""

import threading
from typing import Any

import httpx
import pytest
import redis

from tests.api.requests import chat
from tests.support.events import EventType
from tests.support.paces import learn
from tests.support.scripted_worker import Run, ScriptedWorker

TOTAL = 20_000


@pytest.fixture
def go_on() -> dict[int, threading.Event]:
    """What the worker waits for after so many tokens of the prompt."""
    return {done: threading.Event() for done in (1_234, TOTAL)}


@pytest.fixture
def reader(worker: ScriptedWorker, go_on: dict[int, threading.Event]) -> ScriptedWorker:
    def read(run: Run) -> None:
        run.emit(EventType.PROGRESS, done=1_000, total=TOTAL, unit="prompt_tokens")
        for done, event in go_on.items():
            run.emit(EventType.PROGRESS, done=done, total=TOTAL, unit="prompt_tokens")
            assert event.wait(60)
        run.say("word")
        run.complete("word")

    worker.play(read)
    return worker


def job_at(http: httpx.Client, job_id: str, done: int) -> dict[str, Any]:
    """The job when so many tokens are read."""
    with http.stream("GET", f"/v1/jobs/{job_id}/events") as events:
        assert any(line.startswith("data:") and f'"done":{done},' in line for line in events.iter_lines())
    job: dict[str, Any] = http.get(f"/v1/jobs/{job_id}").json()
    return job


def test_a_job_says_how_far_its_prompt_is_read_and_when_it_will_be(
    http: httpx.Client, reader: ScriptedWorker, go_on: dict[int, threading.Event], clean_redis: redis.Redis
) -> None:
    learn(clean_redis, "tiny", read=0.01, write=0.1)
    job_id = http.post("/v1/chat/completions", json=chat(background=True, max_tokens=500)).json()["id"]
    job = job_at(http, job_id, 1_234)
    assert job["progress"].pop("eta") == pytest.approx(0.01 * (TOTAL - 1_234), abs=5)
    assert job["progress"] == {"done": 1_234, "total": TOTAL, "unit": "prompt_tokens"}
    assert job["eta"] == pytest.approx(0.01 * (TOTAL - 1_234) + 0.1 * 500, abs=5)
    go_on[1_234].set()
    job = job_at(http, job_id, TOTAL)
    assert job["progress"]["done"] == TOTAL
    assert job["eta"] == pytest.approx(0.1 * 500, abs=5)
    go_on[TOTAL].set()
    assert http.get(f"/v1/jobs/{job_id}", params={"wait": 10}).json()["status"] == "completed"


def test_the_keep_alives_of_a_stream_say_it(
    http: httpx.Client,
    reader: ScriptedWorker,
    go_on: dict[int, threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.dispatch.pump.HEARTBEAT", 0.02)
    with http.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as answer:
        lines = answer.iter_lines()
        assert f": reading 1234/{TOTAL}" in lines
        go_on[1_234].set()
        assert ": generating" in lines
        go_on[TOTAL].set()
        assert "data: [DONE]" in lines
