"""When a place in a full queue may be free: what `Retry-After` says."""

import time
from collections.abc import AsyncIterator

import pytest
import redis

from jobs import keys
from jobs.client import JobClient
from jobs.errors import QueueFull
from jobs.eta import next_place
from jobs.gate import Emission, Ending, Gate
from tests.support.events import EventType, encode_event
from tests.support.jobs import TTL, request
from tests.support.payloads import made

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, "llm", "worker-1", TTL)


@pytest.fixture
async def client(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[JobClient]:
    jobs = JobClient(redis_url, queue_limit=2, ttl=TTL)
    await jobs.start()
    yield jobs
    await jobs.stop()


async def run(client: JobClient, gate: Gate, seconds_ago: float = 0, **more: object) -> str:
    """A job that runs since so many seconds."""
    job_id = (await client.enqueue(request(**more))).job_id
    (taken,) = gate.take(1) or [""]
    assert gate.claim([(taken, "execution-1")])
    gate._redis.hset(keys.job(job_id), "mlxq_ran_ms", int((time.time() - seconds_ago) * 1000))
    return job_id


async def end(client: JobClient, gate: Gate, seconds: float, **more: object) -> None:
    """A job that ran for so long."""
    job_id = await run(client, gate, seconds, **more)
    gate.write([], [Ending(job_id, "execution-1", made({}))])


async def test_a_place_is_free_when_the_running_job_ends_which_takes_as_long_as_others_took(
    client: JobClient, gate: Gate
) -> None:
    for seconds in (19, 20, 21):
        await end(client, gate, seconds)
    await run(client, gate, 5)
    assert await next_place(client.redis, "llm") == pytest.approx(15, abs=1)


async def test_the_jobs_of_the_same_model_count_before_those_of_others(client: JobClient, gate: Gate) -> None:
    await end(client, gate, 60, model="org/slow")
    await end(client, gate, 4, model="org/quick")
    await run(client, gate, 0, model="org/quick")
    assert await next_place(client.redis, "llm") == pytest.approx(4, abs=1)


async def test_who_waits_for_another_model_waits_for_all_that_run(client: JobClient, gate: Gate) -> None:
    await end(client, gate, 30, model="org/slow")
    await end(client, gate, 4, model="org/quick")
    for model in ("org/slow", "org/quick"):
        await run(client, gate, 0, model=model)
    assert await next_place(client.redis, "llm") == pytest.approx(4, abs=1)
    await client.enqueue(request(model="org/third"))
    assert await next_place(client.redis, "llm") == pytest.approx(30, abs=1)


async def test_a_job_of_which_nothing_is_known_takes_as_long_again(client: JobClient, gate: Gate) -> None:
    await run(client, gate, 12)
    assert await next_place(client.redis, "llm") == pytest.approx(12, abs=1)


async def test_steps_tell_it_better_than_other_jobs(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    await end(client, gate, 100)
    clean_redis.hset(keys.PACES, "org/tiny", "0.5")
    job_id = await run(client, gate, 3, steps=10, step_size=1.0)
    gate.write([Emission(job_id, "execution-1", 1, encode_event(EventType.PROGRESS, done=4, total=10))], [])
    assert await next_place(client.redis, "llm") == pytest.approx(3, abs=0.5)


async def test_a_prompt_that_is_read_teaches_how_long_the_rest_takes(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    """Per model, and apart from the steps of other models."""
    clean_redis.hset(keys.PACES, "org/painter", "0.5")
    job_id = await run(client, gate, model="org/tiny")
    unit = {"unit": "prompt_tokens", "total": 30_000}
    say = [encode_event(EventType.PROGRESS, done=done, **unit) for done in (1_000, 11_000, 30_000)]
    gate.write([Emission(job_id, "execution-1", 1, say[0])], [])
    clean_redis.hset(keys.execution(job_id, "execution-1"), "done_at", f"{time.time() - 5:.6f}")
    gate.write([Emission(job_id, "execution-1", 2, say[1])], [])
    info = await client.info(job_id)
    assert info.progress is not None
    assert (info.progress.done, info.progress.total, info.progress.unit) == (11_000, 30_000, "prompt_tokens")
    assert info.eta == pytest.approx(19_000 * 5 / 10_000, rel=0.05)
    gate.write([Emission(job_id, "execution-1", 3, say[2])], [])
    assert (await client.info(job_id)).eta is None
    assert clean_redis.hget(keys.PACES, "org/painter") == b"0.5"


@pytest.mark.parametrize(("seconds", "least", "most"), [(20, 20, 26), (1000, 120, 120), (0.2, 1, 1)])
async def test_the_refusal_of_a_full_queue_says_it(
    seconds: float, least: int, most: int, client: JobClient, gate: Gate
) -> None:
    await end(client, gate, seconds)
    await run(client, gate)
    for _ in range(2):
        await client.enqueue(request())
    with pytest.raises(QueueFull) as refused:
        await client.enqueue(request())
    assert refused.value.retry_after is not None
    assert least <= refused.value.retry_after <= most


async def test_only_so_many_runs_are_remembered(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    clean_redis.rpush(keys.runs("llm"), *["1000 org/tiny"] * 200)
    await end(client, gate, 1)
    assert int(clean_redis.llen(keys.runs("llm"))) == 64
