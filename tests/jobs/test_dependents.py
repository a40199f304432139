"""Jobs that wait for another one: whatever becomes of it, they are neither lost nor started too soon."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
import redis
from rq import Queue
from rq.job import Job
from rq.registry import DeferredJobRegistry
from rq.serializers import JSONSerializer

from config.settings import Settings
from jobs import keys
from jobs.client import JobClient
from jobs.errors import Forbidden, InsufficientStorage, MlxqError, QueueFull
from jobs.events import ProgressState
from jobs.gate import Ending, Gate
from jobs.kinds import DOWNLOADS, Category
from jobs.models.needed_by import jobs_for
from jobs.status import JobStatus
from mlxq.downloads.request import download_request
from tests.support.events import plain
from tests.support.jobs import TTL, request, waiting
from tests.support.payloads import made

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, DOWNLOADS, "downloads-1", TTL)


@pytest.fixture
def chats(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, Category.LLM, "worker-1", TTL)


@pytest.fixture
async def client(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[JobClient]:
    jobs = JobClient(redis_url, queue_limit=3, ttl=TTL)
    yield jobs
    await jobs.redis.aclose()
    await jobs.bus.stop()


def waiting_chat(name: str = "org/model") -> Any:
    return request(model=name, needs=download_request(Settings(), name))


def start(gate: Gate, execution_id: str = "execution-1") -> str:
    taken = gate.take(1)
    assert taken
    (claim,) = gate.claim([(taken[0], execution_id)])
    return claim.job_id


def events(connection: redis.Redis, job_id: str) -> list[dict[str, Any]]:
    entries: Any = connection.xrange(keys.events(job_id))
    return [orjson.loads(fields[b"e"]) for _, fields in entries]


async def test_it_waits_as_rqs_deferred_jobs_do(client: JobClient, clean_redis: redis.Redis) -> None:
    chat = await client.enqueue(waiting_chat())
    (download,) = waiting(clean_redis, DOWNLOADS)
    assert waiting(clean_redis) == []
    registry = DeferredJobRegistry("llm", connection=clean_redis, serializer=JSONSerializer)
    assert registry.get_job_ids() == [chat.job_id]
    job = Job.fetch(chat.job_id, connection=clean_redis, serializer=JSONSerializer)
    assert (job.get_status(), job._dependency_ids) == ("deferred", [download])
    assert Queue("llm", connection=clean_redis).deferred_job_registry.count == 1
    info = await client.info(chat.job_id)
    assert (info.status, info.position) == (JobStatus.QUEUED, None)
    assert await jobs_for(client.redis, "org/model") == [chat.job_id, download]


async def test_one_download_for_all_and_they_run_in_their_order(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    accepted = [(await client.enqueue(waiting_chat())).job_id for _ in range(3)]
    assert len(waiting(clean_redis, DOWNLOADS)) == 1
    download = start(gate)
    late = (await client.enqueue(replace(waiting_chat("org/other"), needs=None))).job_id
    gate.write([], [Ending(download, "execution-1", result=made({"status": "installed"}))])
    assert waiting(clean_redis, Category.LLM) == [late, *accepted]
    assert [event["type"] for event in events(clean_redis, accepted[0])] == ["downloaded"]
    # A download that has ended is not waited for, and is no longer the one that others mean.
    again = await client.enqueue(download_request(Settings(), "org/model"))
    assert not again.attached


async def test_progress_is_told_to_those_who_wait(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    chat = (await client.enqueue(waiting_chat())).job_id
    download = start(gate)
    assert gate.progress(download, "execution-1", ProgressState(done=5, total=10))
    assert not gate.progress(download, "another", ProgressState(done=9, total=10))
    assert (await client.info(download)).progress == ProgressState(done=5, total=10)
    assert (await client.info(chat)).progress == ProgressState(job=download, done=5, total=10)
    assert events(clean_redis, chat) == [{"type": "downloading", "job": download, "done": 5, "total": 10}]
    assert events(clean_redis, download)[-1] == {"type": "progress", "done": 5, "total": 10}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Forbidden("Its terms must be accepted."), 404, "model_not_found"),
        (InsufficientStorage("The disk is full."), 507, "insufficient_storage"),
    ],
)
async def test_they_fail_with_it(
    client: JobClient, gate: Gate, clean_redis: redis.Redis, error: MlxqError, status: int, code: str
) -> None:
    chat = (await client.enqueue(waiting_chat())).job_id
    download = start(gate)
    gate.write([], [Ending(download, "execution-1", error=error)])
    info = await client.info(chat, with_result=True)
    assert info.status is JobStatus.FAILED
    assert info.error is not None
    assert (info.error.status, info.error.code, info.error.message) == (status, code, error.message)
    assert events(clean_redis, chat)[-1]["error"] == plain(info.error.fields())
    assert clean_redis.zcard(keys.deferred("llm")) == 0
    assert clean_redis.zcard(keys.failed("llm")) == 1


async def test_they_fail_when_it_is_cancelled(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    chat = (await client.enqueue(waiting_chat())).job_id
    (download,) = waiting(clean_redis, DOWNLOADS)
    await client.cancel(download)
    info = await client.info(chat, with_result=True)
    assert info.error is not None
    assert "cancelled" in info.error.message
    # Who asks after that gets a new download.
    await client.enqueue(waiting_chat())
    assert len(waiting(clean_redis, DOWNLOADS)) == 1


async def test_they_wait_on_when_its_worker_dies(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    chat = (await client.enqueue(waiting_chat())).job_id
    start(gate)
    assert gate.recover(3, ["downloads-1"]) == (1, 0)
    assert (await client.info(chat)).status is JobStatus.QUEUED
    download = start(gate, "execution-2")
    gate.write([], [Ending(download, "execution-2", result=made({}))])
    assert waiting(clean_redis, Category.LLM) == [chat]


async def test_one_of_them_can_be_cancelled(
    client: JobClient, gate: Gate, chats: Gate, clean_redis: redis.Redis
) -> None:
    first = (await client.enqueue(waiting_chat())).job_id
    second = (await client.enqueue(waiting_chat())).job_id
    assert await client.cancel(first) is JobStatus.CANCELLED
    download = start(gate)
    gate.write([], [Ending(download, "execution-1", result=made({}))])
    assert start(chats) == second
    assert (await client.info(first)).status is JobStatus.CANCELLED
    assert clean_redis.zcard(keys.deferred("llm")) == 0


async def test_they_count_among_those_who_wait(client: JobClient) -> None:
    for _ in range(3):
        await client.enqueue(waiting_chat())
    with pytest.raises(QueueFull):
        await client.enqueue(waiting_chat())
    assert (await client.stats())["llm"].waiting == 3
