"""RQ's own classes and command line read what the gate writes: the layouts of `rq==2.12.*` that mlxq relies on."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer

from jobs.consumer.registration import Registration
from jobs.errors import EngineFailure
from jobs.gate import AsyncGate, Ending, Gate
from jobs.redis.connection import async_connection
from tests.support.events import plain
from tests.support.jobs import TTL, request
from tests.support.payloads import made

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, "llm", "worker-1", TTL)


@pytest.fixture
async def front(redis_url: str) -> AsyncIterator[AsyncGate]:
    connection = async_connection(redis_url)
    yield AsyncGate(connection, TTL)
    await connection.aclose()


def fetch(job_id: str, connection: redis.Redis) -> Job:
    return Job.fetch(job_id, connection=connection, serializer=JSONSerializer)


def run(gate: Gate) -> tuple[str, str]:
    (job_id,) = gate.take(1) or [""]
    (claim,) = gate.claim([(job_id, "execution-1")])
    return claim.job_id, claim.execution_id


async def test_an_admitted_job_is_a_queued_rq_job(front: AsyncGate, clean_redis: redis.Redis) -> None:
    submitted = request()
    await front.admit(submitted, limit=10)

    queue = Queue("llm:normal:-", connection=clean_redis, serializer=JSONSerializer)
    assert queue.job_ids == [submitted.id]
    assert {each.name for each in Queue.all(connection=clean_redis)} == {"llm", queue.name}
    job = fetch(submitted.id, clean_redis)
    assert job.get_status() is JobStatus.QUEUED
    assert job.origin == queue.name
    assert job.func_name == "worker.rq_function.run"
    assert job.kwargs["payload"]["messages"][0]["content"] == "héllo"
    assert job.description == "chat(tiny)"
    assert job.meta == {"model": "tiny"}
    assert job.timeout == -1
    assert job.enqueued_at is not None
    assert job.get_position() == 0


async def test_a_claimed_job_is_a_started_rq_job_with_an_execution(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), limit=10)
    job_id, execution_id = run(gate)

    job = fetch(job_id, clean_redis)
    assert job.get_status() is JobStatus.STARTED
    assert job.worker_name == "worker-1"
    assert job.started_at is not None
    assert Queue("llm", connection=clean_redis).job_ids == []
    registry = StartedJobRegistry("llm", connection=clean_redis)
    assert registry.get_job_and_execution_ids() == [(job_id, execution_id)]
    assert Execution.fetch(execution_id, job_id, clean_redis).worker_name == "worker-1"
    assert [execution.id for execution in job.get_executions()] == [execution_id]


async def test_a_finished_job_has_an_rq_result(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), limit=10)
    job_id, execution_id = run(gate)
    assert gate.write([], [Ending(job_id, execution_id, result=made({"text": "Grüße"}))]) == set()

    job = fetch(job_id, clean_redis)
    assert job.get_status() is JobStatus.FINISHED
    assert job.return_value() == {"text": "Grüße"}
    result = job.latest_result()
    assert result is not None
    assert (result.type, result.worker_name) == (Result.Type.SUCCESSFUL, "worker-1")
    assert result.execution_id == execution_id
    assert FinishedJobRegistry("llm", connection=clean_redis).get_job_ids() == [job_id]
    assert StartedJobRegistry("llm", connection=clean_redis).get_job_ids() == []
    assert job.get_executions() == []
    assert 0 < clean_redis.ttl(job.key) <= TTL.result


async def test_a_failed_job_tells_rq_why(front: AsyncGate, gate: Gate, clean_redis: redis.Redis) -> None:
    await front.admit(request(), limit=10)
    job_id, execution_id = run(gate)
    gate.write([], [Ending(job_id, execution_id, error=EngineFailure("out of luck"))])

    job = fetch(job_id, clean_redis)
    assert job.get_status() is JobStatus.FAILED
    result = job.latest_result()
    assert result is not None
    assert (result.type, result.exc_string) == (Result.Type.FAILED, "out of luck")
    assert FailedJobRegistry("llm", connection=clean_redis).get_job_ids() == [job_id]


async def test_cancelled_jobs_are_in_rqs_registry(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    waiting, running = request(), request()
    await front.admit(running, limit=10)
    await front.admit(waiting, limit=10)
    job_id, execution_id = run(gate)
    await front.cancel(waiting.id)
    gate.write([], [Ending(job_id, execution_id)])

    registry = CanceledJobRegistry("llm", connection=clean_redis)
    assert set(registry.get_job_ids()) == {waiting.id, running.id}
    assert fetch(waiting.id, clean_redis).is_canceled
    assert fetch(running.id, clean_redis).is_canceled


async def test_a_job_that_rq_itself_cleans_up_is_queued_again_and_can_be_claimed(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    """`rq info` on a Redis whose worker died runs RQ's clean-up: it must lose nothing."""
    await front.admit(request(), limit=10)
    job_id, _ = run(gate)
    members: Any = clean_redis.zrange("rq:wip:llm", 0, -1)
    clean_redis.zadd("rq:wip:llm", dict.fromkeys(members, 1))

    StartedJobRegistry("llm", connection=clean_redis, serializer=JSONSerializer).cleanup()

    assert fetch(job_id, clean_redis).get_status() is JobStatus.QUEUED
    assert gate.take(1) == [job_id]
    (claim,) = gate.claim([(job_id, "execution-2")])
    assert plain(claim.payload)["messages"][0]["content"] == "héllo"
    assert claim.attempt == 2


async def test_rq_lists_the_lanes_as_workers(clean_redis: redis.Redis) -> None:
    registration = Registration(clean_redis, "llm", "host.1.abc.llm", "host.0")
    registration.register()
    registration.beat(busy=True, finished=3, failed=1)

    (worker,) = Worker.all(connection=clean_redis)
    assert worker.name == "host.1.abc.llm"
    assert worker.queue_names() == ["llm"]
    assert worker.get_state() == "busy"
    assert (worker.successful_job_count, worker.failed_job_count) == (3, 1)
    assert worker.pid == os.getpid()

    registration.unregister()
    assert Worker.all(connection=clean_redis) == []


async def test_rq_info_tells_the_truth(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis, redis_url: str
) -> None:
    Registration(clean_redis, "llm", "host.1.abc.llm", "host.0").register()
    for _ in range(3):
        await front.admit(request(), limit=10)
    run(gate)

    command = [sys.executable, "-m", "rq.cli", "info", "--url", redis_url, "--raw"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "queue llm:normal:- 2" in told
    assert "1 executing" in told
    assert "worker host.1.abc.llm (host" in told
