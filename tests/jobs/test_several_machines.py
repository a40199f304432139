"""Machines that share a queue: which is which, what is known of one that is silent, and whose clock counts."""

import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs import keys
from jobs.consumer.machine import machine_of
from jobs.consumer.registration import Registration, dead_workers
from jobs.gate import AsyncGate, Ending, Gate, LastStep
from jobs.housekeeping import sweep
from jobs.redis.clock import CLOCK, SharedClock, set_clock
from jobs.redis.connection import async_connection
from tests.support.jobs import TTL, request
from tests.support.payloads import made

pytestmark = pytest.mark.anyio

HERE, THERE = "mac.1", "mac.2"


@pytest.fixture
def gate(clean_redis: redis.Redis) -> Gate:
    """Of a worker on another machine."""
    Registration(clean_redis, "llm", "worker-1", THERE).register()
    return Gate(clean_redis, "llm", "worker-1", TTL)


@pytest.fixture
def other(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, "llm", "worker-2", TTL)


@pytest.fixture
async def front(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[AsyncGate]:
    connection = async_connection(redis_url)
    yield AsyncGate(connection, TTL)
    await connection.aclose()


def lose(gate: Gate, connection: redis.Redis, execution_id: str) -> str:
    """A job whose worker took it, and is not heard of any more."""
    (job_id,) = gate.take(1) or [""]
    assert gate.claim([(job_id, execution_id)])
    members: Any = connection.zrange(keys.started("llm"), 0, -1)
    connection.zadd(keys.started("llm"), dict.fromkeys(members, 1))
    return job_id


def charges(connection: redis.Redis, job_id: str) -> tuple[int, bool]:
    """Crashes that are charged to a job, and whether it runs alone."""
    crashes: Any = connection.hget(keys.job(job_id), "mlxq_crashes")
    return int(crashes or 0), bool(connection.hexists(keys.job(job_id), "mlxq_suspect"))


async def test_a_job_is_suspected_when_the_second_machine_is_silent(
    front: AsyncGate, gate: Gate, other: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), 9)
    seen = []
    for attempt in range(4):
        job_id = lose(gate, clean_redis, f"execution-{attempt}")
        recovered = other.recover(2, (), {}, HERE)
        seen.append((recovered, *charges(clean_redis, job_id)))
    assert seen == [((1, 0), 1, False), ((1, 0), 2, True), ((1, 0), 3, True), ((0, 1), 4, True)]


async def test_what_is_known_of_a_crash_counts_at_once(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    """The machine of the dead worker has its record."""
    await front.admit(request(), 9)
    job_id = lose(gate, clean_redis, "execution-1")
    gate.recover(2, ["worker-1"], {"worker-1": LastStep({"execution-1"})}, THERE)
    assert charges(clean_redis, job_id) == (1, True)


async def test_a_machine_that_is_back_takes_its_charge_back_once(
    front: AsyncGate, gate: Gate, other: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), 9)
    job_id = lose(gate, clean_redis, "execution-1")
    lose_again = other.recover(2, (), {}, HERE)
    assert (lose_again, charges(clean_redis, job_id)) == ((1, 0), (1, False))
    for _ in range(2):
        assert gate.beat([(job_id, "execution-1")])[0] == {"execution-1"}
        assert charges(clean_redis, job_id) == (0, False)

    # What is not there any more stays away.
    (taken,) = other.take(1) or [""]
    other.claim([(taken, "execution-2")])
    other.write([], [Ending(job_id, "execution-2", result=made({}))])
    clean_redis.delete(keys.job(job_id))
    gate.beat([(job_id, "execution-1")])
    assert not clean_redis.exists(keys.job(job_id))


async def test_who_could_not_renew_a_lease_gets_the_time_to_do_so(
    front: AsyncGate, gate: Gate, other: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), 9)
    job_id = lose(gate, clean_redis, "execution-1")
    assert other.recover(2, ["worker-3"], {}, HERE, patient=True) == (0, 0)
    assert gate.beat([(job_id, "execution-1")]) == (set(), set(), set())
    assert other.recover(2, (), {}, HERE) == (0, 0)
    # Of the dead nothing else is to be expected, whether or not their leases have ended.
    assert other.recover(2, ["worker-1"], {}, HERE, patient=True) == (1, 0)
    job_id = lose(gate, clean_redis, "execution-2")
    assert other.recover(2, ["worker-1"], {}, HERE, patient=True) == (1, 0)


def test_a_machine_is_its_host_and_its_folder(tmp_path: Path) -> None:
    names: list[str] = []
    threads = [
        threading.Thread(target=lambda: names.append(machine_of(tmp_path / "one" / "data"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 8
    assert len(set(names)) == 1
    assert machine_of(tmp_path / "two") not in names
    assert [path.name for path in (tmp_path / "one" / "data").iterdir()] == ["machine"]
    (tmp_path / "file").touch()
    assert machine_of(tmp_path / "file").endswith(".")


def test_only_the_dead_of_this_machine_are_known_to_be_dead(clean_redis: redis.Redis) -> None:
    for machine in (HERE, THERE):
        registration = Registration(clean_redis, "llm", f"{machine}.llm", machine)
        registration.register()
        # No process has this number.
        clean_redis.hset(keys.worker(registration.name), "pid", 2**22 + 1)
    assert dead_workers(clean_redis, ["llm"], HERE) == [f"{HERE}.llm"]


def test_a_process_lives_whatever_the_clock_says(clean_redis: redis.Redis) -> None:
    registration = Registration(clean_redis, "llm", "worker-1", HERE)
    registration.register()
    clean_redis.hset(keys.worker("worker-1"), "birth", "2020-01-01T00:00:00.000000Z")
    assert dead_workers(clean_redis, ["llm"], HERE) == []
    # Another one that has its number now does not count.
    clean_redis.hset(keys.worker("worker-1"), mapping={"mlxq_born": time.time() - 3600, "pid": os.getpid()})
    assert dead_workers(clean_redis, ["llm"], HERE) == ["worker-1"]


def test_a_clock_that_is_off_is_corrected_and_another_one_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SharedClock()
    monkeypatch.setattr("jobs.redis.clock.time.time", lambda: 5000.0)
    clock.learn(4999.0, 5000.5, 5000.0)
    assert clock.now() == 5000.0
    clock.learn(4999.0, 91_400.0, 5000.0)
    assert clock.now() == 91_400.0 + 0.5
    # It was set in between: nothing is learned.
    clock.learn(5000.0, 91_400.0, 4000.0)
    assert clock.now() == 91_400.0 + 0.5
    clock.learn(4999.9, 5000.0, 5000.1)
    assert clock.now() == 5000.0


def test_a_sweep_by_a_clock_that_is_a_day_early_deletes_nothing(
    clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean_redis.zadd(keys.finished("llm"), {"job": time.time() + 600})
    real = time.time
    monkeypatch.setattr("jobs.redis.clock.time.time", lambda: real() + 86_400)
    set_clock(clean_redis)
    sweep(clean_redis)
    monkeypatch.undo()
    set_clock(clean_redis)
    assert clean_redis.zcard(keys.finished("llm")) == 1
    assert abs(CLOCK.now() - time.time()) < 1
