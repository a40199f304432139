"""Processes die while a batch is answered: each request has one outcome."""

import json
from collections.abc import Callable

import pytest

from tests.support.batches import CHAT, ENDED, chats, jsonl
from tests.support.system import System

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

REQUESTS = 160


def _kill_api(system: System) -> None:
    system.kill_api()
    system.start_api()


def _kill_worker(system: System) -> None:
    system.kill_worker()
    system.start_worker()


def _kill_redis(system: System) -> None:
    system.redis.kill()
    system.redis.start()


def _kill_all(system: System) -> None:
    system.kill_api()
    system.kill_worker()
    system.redis.kill()
    system.redis.start()
    system.start_worker()
    system.start_api()


#: After how many outcomes what is killed.
KILLS: list[tuple[int, Callable[[System], None]]] = [
    (1, _kill_api),
    (40, _kill_redis),
    (70, _kill_worker),
    (110, _kill_all),
]


def test_every_process_dies_on_the_way(make_system: Callable[..., System]) -> None:
    # That a request ran whenever a process was killed is no fault of its own.
    system = make_system(MAX_ATTEMPTS=100)
    file = system.http.post(
        "/v1/files",
        data={"purpose": "batch"},
        files={"file": ("a", jsonl(chats(REQUESTS, "first", max_tokens=2)))},
    ).raise_for_status()
    body = {"input_file_id": file.json()["id"], "endpoint": CHAT, "completion_window": "24h"}
    batch_id = system.http.post("/v1/batches", json=body).raise_for_status().json()["id"]

    def done(count: int) -> bool:
        answer = system.http.get(f"/v1/batches/{batch_id}")
        if answer.status_code == 503:
            return False
        batch = answer.raise_for_status().json()
        return batch["request_counts"]["completed"] >= count or batch["status"] in ENDED

    for count, kill in KILLS:
        system.wait_until(lambda count=count: done(count), f"{count} are not answered", 120)
        kill(system)
    system.wait_until(lambda: done(REQUESTS + 1), "the batch does not end", 120)
    batch = system.http.get(f"/v1/batches/{batch_id}").json()
    failed = batch["error_file_id"] and system.http.get(f"/v1/files/{batch['error_file_id']}/content").text
    assert (batch["status"], failed) == ("completed", None)
    text = system.http.get(f"/v1/files/{batch['output_file_id']}/content").text
    names = [json.loads(line)["custom_id"] for line in text.splitlines()]
    assert len(names) == REQUESTS
    assert set(names) == {f"say-{number}" for number in range(REQUESTS)}
    assert batch["request_counts"] == {"total": REQUESTS, "completed": REQUESTS, "failed": 0}
