"""A chat that crashes the worker in a batch of eight: seven are answered as if it had not been there."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stories import check_whole, outcome, said, submit
from tests.support.system import System

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture
def system(models: Path) -> Iterator[System]:
    system = System(models, "first", BATCH_SIZE=8, POISON_REAL=1)
    system.worker_module = "tests.support.poisoned_worker"
    yield system.start()
    system.stop()


def test_seven_of_eight_are_answered_after_two_crashes(system: System) -> None:
    expected = said(outcome(system, submit(system, "neighbour", max_tokens=300)))
    crashes: list[int] = []

    def supervise() -> None:
        while system.worker is not None and (code := system.worker.wait()) < 0:
            crashes.append(code)
            system.start_worker()

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    # The poison waits for company: it crashes the worker when all eight are in the batch.
    jobs = [submit(system, "neighbour", max_tokens=300) for _ in range(4)]
    poison = submit(system, "POISON", max_tokens=500)
    jobs += [submit(system, "neighbour", max_tokens=300) for _ in range(3)]
    for job_id in jobs:
        check_whole(system, job_id, expected)
    guilty = outcome(system, poison)
    assert guilty["error"]["code"] == "worker_died"
    assert "crashed 2 times" in guilty["error"]["message"]
    assert len(crashes) == 2
    system.stop_worker()
    supervisor.join(60)
