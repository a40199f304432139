"""What ended jobs may keep: their requests go with the end, the oldest of them when Redis' memory is short."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from jobs import keys
from jobs.blobs import BlobStore, LocalBlobs, Uploads
from jobs.client import JobClient
from jobs.errors import (
    BlobGone,
    Conflict,
    EngineFailure,
    InsufficientStorage,
    QueueFull,
    ServiceUnavailable,
)
from jobs.gate import Admission, AsyncGate, Emission, Ending, Gate
from jobs.kinds import Category, Kind
from jobs.redis.connection import async_connection
from jobs.status import JobStatus
from tests.support.events import EventType, encode_event, plain
from tests.support.jobs import TTL, counted_memory, memory_of, request
from tests.support.payloads import made

pytestmark = pytest.mark.anyio

LARGE = {"messages": [{"role": "user", "content": "x" * 200_000}]}


@pytest.fixture
def gate(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, "llm", "worker-1", TTL)


@pytest.fixture
async def front(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[AsyncGate]:
    connection = async_connection(redis_url)
    yield AsyncGate(connection, TTL, keep_bytes=1000)
    await connection.aclose()


@pytest.fixture
async def client(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[JobClient]:
    jobs = JobClient(redis_url, queue_limit=3, ttl=TTL)
    await jobs.start()
    yield jobs
    await jobs.stop()


def fetch(job_id: str, connection: redis.Redis) -> Job:
    return Job.fetch(job_id, connection=connection, serializer=JSONSerializer)


def run(gate: Gate, execution_id: str = "execution-1") -> str:
    (job_id,) = gate.take(1) or [""]
    assert gate.claim([(job_id, execution_id)])
    return job_id


def stored(connection: redis.Redis, job_id: str) -> int:
    """Bytes of everything that Redis holds of a job."""
    names = [name for name in connection.keys("*") if job_id.encode() in name]
    return sum(int(connection.memory_usage(name, samples=0) or 0) for name in names)


async def endings(front: AsyncGate, gate: Gate, connection: redis.Redis) -> dict[str, str]:
    """A large job that ended in each way: its id, by the way."""
    ended = {}
    for way in ("finished", "failed", "cancelled", "stopped", "expired", "crashed"):
        large = request(payload=LARGE, expires_in=-1.0 if way == "expired" else None)
        await front.admit(large, 10)
        ended[way] = large.id
        if way == "cancelled":
            await front.cancel(large.id)
            continue
        if way == "expired":
            (taken,) = gate.take(1) or [""]
            assert gate.claim([(taken, "execution-1")]) == []
            continue
        run(gate)
        if way == "crashed":
            connection.zadd(keys.started("llm"), {f"{large.id}:execution-1": 1})
            assert gate.recover(max_attempts=1) == (0, 1)
            continue
        result = made({"text": "short"}) if way == "finished" else None
        error = EngineFailure("no") if way == "failed" else None
        assert not gate.write([], [Ending(large.id, "execution-1", result, error)])
    return ended


async def test_a_large_request_goes_with_the_end_of_its_job_however_it_ends(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    for way, job_id in (await endings(front, gate, clean_redis)).items():
        assert stored(clean_redis, job_id) < 8_000, way
        job = fetch(job_id, clean_redis)
        assert job.func_name == "worker.rq_function.run", way
        assert job.kwargs == {"kind": "chat", "model": "org/tiny", "ended": True}, way
        assert job.description == "chat(tiny)", way


async def test_a_request_stays_while_its_job_may_run_again(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    large = request(payload=LARGE)
    await front.admit(large, 10)
    run(gate)
    gate.release(large.id, "execution-1")
    run(gate)
    clean_redis.zadd(keys.started("llm"), {f"{large.id}:execution-1": 1})
    assert gate.recover(max_attempts=2) == (1, 0)

    (taken,) = gate.take(1) or [""]
    (claim,) = gate.claim([(taken, "execution-2")])
    assert plain(claim.payload) == LARGE


async def test_a_small_request_stays_where_the_setting_says_so(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), 10)
    job_id = run(gate)
    gate.write([], [Ending(job_id, "execution-1", made({}))])
    assert fetch(job_id, clean_redis).kwargs["payload"]["messages"][0]["content"] == "héllo"


async def test_a_job_that_rq_queues_again_without_its_request_says_what_is_missing(
    front: AsyncGate, gate: Gate, client: JobClient, clean_redis: redis.Redis
) -> None:
    await front.admit(request(payload=LARGE), 10)
    job_id = run(gate)
    gate.write([], [Ending(job_id, "execution-1", error=EngineFailure("no"))])

    registry = FailedJobRegistry("llm", connection=clean_redis, serializer=JSONSerializer)
    registry.requeue(job_id)
    assert Queue("llm", connection=clean_redis, serializer=JSONSerializer).job_ids == [job_id]
    (taken,) = gate.take(1) or [""]
    assert gate.claim([(taken, "execution-2")]) == []

    info = await client.info(job_id, with_result=True)
    assert info.status is JobStatus.FAILED
    assert info.error is not None
    assert info.error.code == "request_not_kept"


async def test_a_result_that_is_too_large_is_an_error_and_not_a_full_redis(
    front: AsyncGate, gate: Gate, client: JobClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.gate.consumer.LARGEST_RESULT", 1000)
    await front.admit(request(), 10)
    job_id = run(gate)
    gate.write([], [Ending(job_id, "execution-1", made({"text": "x" * 2000}))])
    info = await client.info(job_id, with_result=True)
    assert info.result is None
    assert info.error is not None
    assert info.error.code == "output_too_large"


async def test_a_job_that_says_too_much_fails_and_its_neighbours_go_on(
    front: AsyncGate, gate: Gate, client: JobClient, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.gate.consumer.LARGEST_STORY", 1000)
    await front.admit(request(), 10)
    await front.admit(request(), 10)
    first, second = run(gate), run(gate, "execution-2")
    delta = encode_event(EventType.DELTA, index=0, text="x" * 400)
    lost = set()
    for number in range(1, 5):
        lost |= gate.write([Emission(first, "execution-1", number, delta)], [])
    short = encode_event(EventType.DELTA, index=0, text="y")
    assert not gate.write([Emission(second, "execution-2", 1, short)], [])

    assert lost == {"execution-1"}
    assert gate._said.keys() == {"execution-2"}
    assert (await client.info(second)).status is JobStatus.IN_PROGRESS
    info = await client.info(first, with_result=True)
    assert info.error is not None
    assert info.error.code == "output_too_large"
    assert int(clean_redis.xlen(keys.events(first))) == 4, "started, two deltas, failed"


# -- memory ------------------------------------------------------------------------------------------------------


@pytest.fixture
def looks_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis' memory is looked at with every request."""
    monkeypatch.setattr("jobs.gate.producer.LOOK_AGAIN", -1.0)


async def ended_job(client: JobClient, gate: Gate, size: int, seconds_ago: float = 60) -> str:
    """A job with a result of so many bytes, which ended so long ago."""
    job_id = (await client.enqueue(request(fingerprint=f"body-{size}-{seconds_ago}"))).job_id
    run(gate)
    gate.write([], [Ending(job_id, "execution-1", made({"text": "x" * size}))])
    connection: Any = gate._redis
    connection.zincrby(keys.finished("llm"), -seconds_ago, job_id)
    return job_id


async def present(client: JobClient) -> list[str]:
    page, _ = await client.jobs(limit=100)
    return [info.id for info in page]


@pytest.mark.usefixtures("looks_always")
async def test_the_oldest_ended_jobs_make_room_for_new_ones(
    client: JobClient, gate: Gate, clean_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    old = [await ended_job(client, gate, 300_000, 100 - number) for number in range(6)]
    just_ended = await ended_job(client, gate, 1000, 0)
    used = counted_memory(clean_redis)
    # The mark lies at 0.8 of it: a little of what is there is too much.
    with memory_of(clean_redis, used // 4 - 600_000), caplog.at_level(logging.WARNING, "jobs.client"):
        accepted = await client.enqueue(request())
        assert await client.memory_short()
        await client.cancel(accepted.job_id)

    left = await present(client)
    assert just_ended in left
    gone = [job_id for job_id in old if job_id not in left]
    assert gone == old[: len(gone)]
    assert 0 < len(gone) < len(old)
    for job_id in gone:
        assert not [name for name in clean_redis.keys("*") if job_id.encode() in name]
        assert clean_redis.zscore(keys.finished("llm"), job_id) is None
    assert len([each for each in caplog.records if "memory is short" in each.message]) == 1


async def test_records_that_lead_to_an_evicted_job_go_with_it(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    await ended_job(client, gate, 600_000)
    assert clean_redis.keys("mlxq:same:*")
    with memory_of(clean_redis, 0):
        assert gate.relieve() == 1
    assert clean_redis.keys("mlxq:same:*") == []


@pytest.mark.usefixtures("looks_always")
async def test_only_when_nothing_can_go_is_a_job_refused(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    waiting = (await client.enqueue(request())).job_id
    with memory_of(clean_redis, 100_000):
        with pytest.raises(ServiceUnavailable):
            await client.enqueue(request())
        assert await client.memory_short()
    assert await present(client) == [waiting]


async def test_memory_is_not_looked_at_with_every_request_but_before_many_bytes(
    front: AsyncGate, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.gate.producer.LOOK_AGAIN", 3600.0)
    assert (await front.admit(request(), 9))[0] is Admission.OK
    with memory_of(clean_redis, 100_000):
        assert (await front.admit(request(), 9))[0] is Admission.OK
        monkeypatch.setattr("jobs.gate.producer.LOOK_AGAIN_BYTES", 1)
        assert (await front.admit(request(), 9))[0] is Admission.MEMORY


# -- files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return LocalBlobs(tmp_path / "blobs")


def files(blobs: BlobStore, ids: tuple[str, ...]) -> list[bool]:
    return [is_there(blobs, each) for each in ids]


def is_there(blobs: BlobStore, blob_id: str) -> bool:
    try:
        return blobs.stat(blob_id).size > 0
    except BlobGone:
        return False


def sent(blobs: BlobStore) -> Uploads:
    uploads = Uploads(blobs)
    uploads.put(b"picture")
    uploads.put(b"mask")
    return uploads


async def test_an_accepted_job_owns_its_files(client: JobClient, blobs: BlobStore) -> None:
    uploads = sent(blobs)
    ids = uploads.ids
    await client.enqueue(request(uploads=uploads))
    uploads.discard()
    assert files(blobs, ids) == [True, True]


async def test_files_of_a_request_that_became_no_job_are_deleted(
    client: JobClient, blobs: BlobStore, clean_redis: redis.Redis
) -> None:
    for _ in range(3):
        await client.enqueue(request(idempotency_scope="key", fingerprint="body-1"))
        await client.enqueue(request(queue=Category.ASR, kind=Kind.TRANSCRIPTION))
    full = sent(blobs)
    ids = full.ids
    with pytest.raises(QueueFull):
        await client.enqueue(request(queue=Category.ASR, uploads=full))
    assert files(blobs, ids) == [False, False]

    for fingerprint, error in (("body-1", None), ("body-2", Conflict)):
        uploads = sent(blobs)
        ids = uploads.ids
        again = request(idempotency_scope="key", fingerprint=fingerprint, uploads=uploads)
        if error is None:
            assert (await client.enqueue(again)).attached
        else:
            with pytest.raises(error):
                await client.enqueue(again)
        assert files(blobs, ids) == [False, False]


async def test_files_stay_when_nobody_knows_whether_the_job_was_accepted(
    client: JobClient, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> tuple[Admission, str]:
        raise redis.ConnectionError("the answer never came")

    monkeypatch.setattr(client._gate, "admit", lost)
    uploads = sent(blobs)
    ids = uploads.ids
    with pytest.raises(ServiceUnavailable):
        await client.enqueue(request(uploads=uploads))
    uploads.discard()
    assert files(blobs, ids) == [True, True]


async def test_the_files_of_a_job_are_thrown_away_with_its_end_and_not_before(
    front: AsyncGate, gate: Gate, blobs: BlobStore, clean_redis: redis.Redis
) -> None:
    uploads = sent(blobs)
    await front.admit(request(uploads=uploads), 9)
    job_id = run(gate)
    gate.release(job_id, "execution-1")
    run(gate)
    assert clean_redis.llen(keys.GARBAGE) == 0
    gate.write([], [Ending(job_id, "execution-1", made({}))])
    assert clean_redis.lrange(keys.GARBAGE, 0, -1) == [each.encode() for each in uploads.ids]


async def test_a_full_disk_of_redis_is_told_as_that(
    client: JobClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> tuple[Admission, str]:
        raise redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device")

    monkeypatch.setattr(client._gate, "admit", refuse)
    with pytest.raises(InsufficientStorage):
        await client.enqueue(request())
