"""Jobs in whose company a worker has died: who is suspected, who runs alone, and who is cleared."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs import keys
from jobs.consumer.step_record import StepRecord, last_steps
from jobs.gate import AsyncGate, Emission, Gate, LastStep, ModelAffinity
from jobs.redis.connection import async_connection
from tests.support.events import EventType, encode_event
from tests.support.jobs import TTL, request

pytestmark = pytest.mark.anyio

WORKER = "host.1.abc.llm"


@pytest.fixture
def gate(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, "llm", WORKER, TTL)


@pytest.fixture
def next_gate(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, "llm", "host.2.abc.llm", TTL)


@pytest.fixture
async def front(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[AsyncGate]:
    connection = async_connection(redis_url)
    yield AsyncGate(connection, TTL)
    await connection.aclose()


async def submit(front: AsyncGate, number: int) -> list[str]:
    jobs = [request() for _ in range(number)]
    for job in jobs:
        await front.admit(job, 99)
    return [job.id for job in jobs]


def start(gate: Gate) -> list[str]:
    """Take and claim what may run now; the execution of a job is named like it."""
    taken = gate.take(1, most=9) or []
    assert len(gate.claim([(job_id, f"run-{job_id}") for job_id in taken])) == len(taken)
    return taken


def step(*jobs: str, company: bool = True) -> dict[str, LastStep]:
    return {WORKER: LastStep({f"run-{job_id}" for job_id in jobs}, company)}


async def test_suspects_are_taken_one_at_a_time_and_only_by_a_worker_that_has_nothing_else(
    front: AsyncGate, gate: Gate, next_gate: Gate, clean_redis: redis.Redis
) -> None:
    first, second, third = await submit(front, 3)
    start(gate)
    (new,) = await submit(front, 1)
    assert next_gate.recover(2, [WORKER], step(first, second)) == (3, 0)

    works = ModelAffinity(ready=["org/tiny"], busy=["org/tiny"])
    assert next_gate.take(1, most=9, favour=lambda _: works) is None
    for _ in range(2):
        (suspect,) = next_gate.take(1, most=9) or []
        (claim,) = next_gate.claim([(suspect, f"run-{suspect}")])
        assert suspect in (first, second)
        assert claim.suspect
    taken = next_gate.take(1, most=9, favour=lambda _: works)
    assert taken == [third, new]
    assert not any(claim.suspect for claim in next_gate.claim([(job, f"run-{job}") for job in taken]))


async def test_who_has_said_nothing_yet_is_tried_first_and_clears_the_others(
    front: AsyncGate, gate: Gate, next_gate: Gate, clean_redis: redis.Redis
) -> None:
    jobs = await submit(front, 4)
    start(gate)
    silent = jobs[2]
    gate.write(
        [
            Emission(job, f"run-{job}", 1, encode_event(EventType.DELTA, index=0, text="a"))
            for job in jobs
            if job != silent
        ],
        [],
    )
    next_gate.recover(2, [WORKER], step(*jobs))
    assert start(next_gate) == [silent]
    last = {next_gate.worker: LastStep({f"run-{silent}"})}
    assert gate.recover(2, [next_gate.worker], last) == (0, 1)
    error: Any = clean_redis.hget(keys.job(silent), "mlxq_error")
    assert b"crashed 2 times" in error
    assert sorted(start(gate)) == sorted({*jobs} - {silent})


async def test_a_job_that_had_company_is_not_found_guilty_by_the_first_crash(
    front: AsyncGate, gate: Gate
) -> None:
    jobs = await submit(front, 2)
    start(gate)
    assert gate.recover(1, [WORKER], step(*jobs)) == (2, 0)
    (suspect,) = start(gate)
    assert gate.recover(1, [WORKER], step(suspect, company=False)) == (0, 1)


async def test_what_a_worker_worked_on_is_known_after_its_death(tmp_path: Path) -> None:
    chats, pictures = (StepRecord(tmp_path, "host.1.abc", queue) for queue in ("llm", "image"))
    with pictures.inside(["picture"]):
        pass
    assert last_steps(tmp_path) == {}
    with chats.inside(["one", "two"]):
        steps = last_steps(tmp_path)
        assert last_steps(tmp_path, own="host.1.abc") == {}
    assert steps == {
        "host.1.abc.llm": LastStep({"one", "two"}, company=True),
        "host.1.abc.image": LastStep(set(), company=True),
    }
    with chats.inside(["one"]):
        assert last_steps(tmp_path)["host.1.abc.llm"] == LastStep({"one"})
    for record in (chats, pictures):
        record.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_takes_no_record_leaves_all_suspected(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    record = StepRecord(tmp_path / "file" / "steps", "host.1.abc", "llm")
    with record.inside(["one"]):
        assert last_steps(tmp_path / "file" / "steps") == {}
    record.close()
