"""Somebody who waits goes first, also when every place has work of the background: that stands still meanwhile."""

from collections.abc import Iterator
from typing import Any

import pytest

from config.settings import REPO
from tests.support.checkpoints import random_qwen3
from tests.support.stories import check_whole, outcome, submit
from tests.support.system import System

#: Chats at the same time.
PLACES = 2


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first", seed=1)
    running = System(root, "first", BATCH_SIZE=PLACES, IMAGE_MODEL=REPO / "models" / "tiny-image")
    running.start()
    yield running
    running.stop()


def has_begun(system: System, job: str) -> bool:
    return bool(system.job(job)["status"] != "queued")


def paint(system: System, **fields: Any) -> str:
    body = {"prompt": "a sea", "size": "64x64", **fields}
    answer = system.http.post("/v1/images/generations", json=body, headers={"prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_chats_of_the_background_stand_still_for_others_and_are_whole(crowded: System) -> None:
    background = [
        submit(crowded, f"background {number}", max_tokens=2000, priority="background") for number in range(4)
    ]
    crowded.wait_until(lambda: has_begun(crowded, background[1]), "they do not start")
    urgent = [
        submit(crowded, f"urgent {number}", max_tokens=5, priority="interactive") for number in range(3)
    ]
    first = [outcome(crowded, job) for job in urgent]
    assert [each["status"] for each in first] == ["completed"] * 3
    last = [outcome(crowded, job) for job in background]
    ends = [[each["timings"]["ended_at"] for each in jobs] for jobs in (first, last)]
    assert max(ends[0]) < min(ends[1])
    for job, each in zip(background, last, strict=True):
        assert each["status"] == "completed"
        check_whole(crowded, job, each["result"]["choices"][0]["message"]["content"])


def test_a_picture_of_the_background_stands_still_for_another(crowded: System) -> None:
    def done() -> int:
        return int((crowded.job(slow)["progress"] or {}).get("done", 0))

    # As many steps as there may be: the story ends before them.
    slow = paint(crowded, steps=100, priority="background")
    crowded.wait_until(lambda: done() > 1, "it does not start")
    fast = outcome(crowded, paint(crowded, steps=1, priority="interactive"))
    before = done()
    assert (fast["status"], crowded.job(slow)["status"]) == ("completed", "in_progress")
    crowded.wait_until(lambda: done() > before, "it does not go on")
    crowded.http.post(f"/v1/jobs/{slow}/cancel").raise_for_status()
    assert outcome(crowded, slow)["status"] == "cancelled"


def test_what_is_no_background_keeps_its_place(crowded: System) -> None:
    normal = [
        submit(crowded, f"normal {number}", max_tokens=300, priority="normal") for number in range(PLACES)
    ]
    crowded.wait_until(lambda: has_begun(crowded, normal[1]), "they do not start")
    urgent = submit(crowded, "urgent", max_tokens=3, priority="interactive")
    ended = [outcome(crowded, job) for job in (*normal, urgent)]
    assert {each["status"] for each in ended} == {"completed"}
    times = [each["timings"] for each in ended]
    assert times[-1]["started_at"] >= min(each["ended_at"] for each in times[:-1])


def test_who_stands_still_survives_the_death_of_its_worker(crowded: System) -> None:
    background = [
        submit(crowded, f"long {number}", max_tokens=800, priority="background") for number in range(PLACES)
    ]
    crowded.wait_until(lambda: has_begun(crowded, background[1]), "they do not start")
    urgent = submit(crowded, "urgent", max_tokens=400, priority="interactive")
    crowded.wait_until(lambda: has_begun(crowded, urgent), "it does not start")
    crowded.kill_worker()
    crowded.start_worker()
    ended = [outcome(crowded, job) for job in (urgent, *background)]
    assert [each["status"] for each in ended] == ["completed"] * 3
    for job, each in zip((urgent, *background), ended, strict=True):
        check_whole(crowded, job, each["result"]["choices"][0]["message"]["content"])
