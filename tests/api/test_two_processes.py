"""Two API processes on one Redis: clients of both wait for one job, and either process may die."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import redis

from jobs import keys
from tests.api.requests import chat
from tests.api.test_disconnect import RawClient, Witness
from tests.program import Program
from tests.support.ports import free_port
from tests.support.scripted_worker import Run, ScriptedWorker
from tests.support.waits import wait_for


@dataclass
class ApiProcess:
    program: Program
    port: int


@pytest.fixture
def processes(redis_url: str, clean_redis: redis.Redis, model_root: Path) -> Iterator[list[ApiProcess]]:
    started = []
    for _ in range(2):
        port = free_port()
        environment = {
            "REDIS_URL": redis_url,
            "PORT": str(port),
            "MODEL_ROOTS": str(model_root),
            "LLM_MODEL": "tiny",
            "LINGER_TIME": "0",
        }
        started.append(ApiProcess(Program([sys.executable, "-m", "api"], environment), port))
    for each in started:
        each.program.line("listening on")
    yield started
    for each in started:
        each.program.kill()


def same(process: ApiProcess, **changes: Any) -> RawClient:
    return RawClient(process, chat(**changes), idempotency_key="one-job")


def callers(connection: redis.Redis, run: Run) -> list[bytes]:
    found: Any = connection.hget(keys.job(run.claim.job_id), "mlxq_callers")
    return list((found or b"").split())


def watchers(connection: redis.Redis, job_id: str) -> list[bytes]:
    found: Any = connection.get(keys.watchers(job_id))
    return list((found or b"").split())


def test_the_last_client_of_all_processes_cancels(
    processes: list[ApiProcess], worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    witness = Witness()
    worker.play(witness)
    first = same(processes[0])
    assert worker.claimed.acquire(timeout=60)
    second = same(processes[1])
    wait_for(lambda: len(callers(clean_redis, worker.runs[0])) == 2)
    first.leave()
    wait_for(lambda: len(callers(clean_redis, worker.runs[0])) == 1)
    assert not clean_redis.hexists(keys.job(worker.runs[0].claim.job_id), "mlxq_cancel")
    second.leave()
    assert witness.done.wait(60)
    assert witness.saw == [True]
    assert len(worker.runs) == 1


def test_clients_of_both_processes_get_every_event(
    processes: list[ApiProcess], worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    go_on = threading.Event()

    def play(run: Run) -> None:
        assert go_on.wait(60)
        run.say("one ", "two ", "three")
        run.complete("one two three")

    worker.play(play)
    first = same(processes[0], stream=True)
    assert worker.claimed.acquire(timeout=60)
    second = same(processes[1], stream=True)
    wait_for(lambda: len(callers(clean_redis, worker.runs[0])) == 2)
    go_on.set()
    for client in (first, second):
        story = b""
        while b"[DONE]" not in story:
            story += client.read()
        assert [story.count(word) for word in (b"one ", b"two ", b"three")] == [1, 1, 1]
        client.leave()


def test_a_process_that_was_killed_waits_for_nothing(
    processes: list[ApiProcess], worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    """The client of the other one hears of the job without delay, and cancels it by leaving."""
    killed = threading.Event()
    saw = threading.Event()

    def play(run: Run) -> None:
        assert killed.wait(60)
        run.say("after the end")
        if run.until_cancelled():
            saw.set()
        run.cancelled()

    worker.play(play)
    first = same(processes[0], stream=True)
    assert worker.claimed.acquire(timeout=60)
    second = same(processes[1], stream=True)
    job_id = worker.runs[0].claim.job_id
    wait_for(lambda: len(callers(clean_redis, worker.runs[0])) == 2)
    wait_for(lambda: len(watchers(clean_redis, job_id)) == 2)
    processes[0].program.kill()
    killed.set()
    story = b""
    while b"after the end" not in story:
        story += second.read()
    # Nobody took the event there: the dead process is not told any more.
    assert len(watchers(clean_redis, job_id)) == 1
    wait_for(lambda: len(clean_redis.keys(keys.api_process("*"))) == 1)
    second.leave()
    first.leave()
    assert saw.wait(60)
    assert len(worker.runs) == 1


def test_a_process_is_told_only_what_its_clients_wait_for(
    processes: list[ApiProcess], worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    wait_for(lambda: len(clean_redis.keys(keys.api_process("*"))) == 2)
    told: dict[bytes, set[str]] = {}
    channels: redis.client.PubSub = clean_redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    with channels:
        channels.psubscribe(keys.bus("*"))
        channels.get_message(timeout=1)
        for process in processes:
            url = f"http://127.0.0.1:{process.port}/v1/chat/completions"
            assert httpx.post(url, json=chat("héllo"), timeout=60).status_code == 200
        while message := channels.get_message(timeout=1):
            jobs = {job_id for job_id, _, _ in orjson.loads(message["data"])}
            told.setdefault(message["channel"], set()).update(jobs)
    # Some messages are empty: a process may try out whether it may publish.
    assert sorted(list(jobs) for jobs in told.values() if jobs) == sorted(
        [run.claim.job_id] for run in worker.runs
    )
