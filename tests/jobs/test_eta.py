"""When jobs end, and when a place in a full queue may be free: `eta` and `Retry-After`."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from jobs import keys
from jobs.client import JobClient
from jobs.errors import QueueFull
from jobs.eta import next_place
from jobs.eta.paces import field_of
from jobs.eta.snapshot import take
from jobs.eta.view import LOOK
from jobs.gate import Emission, Ending, Gate
from jobs.kinds import Kind
from jobs.payloads import EmbeddingPayload
from jobs.worker_state import SlotState, WorkerState
from tests.support.events import EventType, encode_event
from tests.support.jobs import TTL, request
from tests.support.paces import HOST, learn
from tests.support.payloads import made

pytestmark = pytest.mark.anyio

#: A job whose time is that of its work.
EMBED: dict[str, Any] = {"kind": Kind.EMBEDDING, "payload": EmbeddingPayload(inputs=["x"])}


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


async def place(client: JobClient) -> float:
    """Seconds until a place is free."""
    return await next_place(client.redis, "llm", await take(client.redis))


def works(connection: redis.Redis) -> None:
    """A worker is there that runs one job at a time."""
    state = WorkerState(
        name="worker", host=HOST, engines=("llm",), slots={"llm": (SlotState("org/tiny", "loaded"),)}
    )
    connection.sadd(keys.WORKER_STATES, state.name)
    connection.set(keys.worker_state(state.name), state.encode())


async def test_a_place_is_free_when_the_running_job_ends_which_takes_as_long_as_others_took(
    client: JobClient, gate: Gate
) -> None:
    for seconds in (19, 20, 21):
        await end(client, gate, seconds)
    await run(client, gate, 5)
    assert await place(client) == pytest.approx(15, abs=4)


async def test_the_jobs_of_the_same_model_count_before_those_of_others(client: JobClient, gate: Gate) -> None:
    await end(client, gate, 600, model="org/slow")
    await end(client, gate, 40, model="org/quick")
    await run(client, gate, 0, model="org/quick")
    assert await place(client) == pytest.approx(40, abs=5)


async def test_who_waits_for_another_model_waits_for_all_that_run(client: JobClient, gate: Gate) -> None:
    await end(client, gate, 300, model="org/slow")
    await end(client, gate, 40, model="org/quick")
    for model in ("org/slow", "org/quick"):
        await run(client, gate, 0, model=model)
    assert await place(client) == pytest.approx(40, abs=5)
    await client.enqueue(request(model="org/third"))
    assert await place(client) == pytest.approx(300, abs=5)


async def test_a_job_of_which_nothing_is_known_takes_as_long_again(client: JobClient, gate: Gate) -> None:
    await run(client, gate, 120)
    assert await place(client) == pytest.approx(120, abs=5)


async def test_what_is_known_of_the_model_tells_it_better_than_other_jobs(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    await end(client, gate, 100)
    works(clean_redis)
    learn(clean_redis, "org/tiny", step=50)
    job_id = await run(client, gate, 300, **EMBED, work=10)
    await client.enqueue(request())
    gate.write([Emission(job_id, "execution-1", 1, encode_event(EventType.PROGRESS, done=4, total=10))], [])
    assert await place(client) == pytest.approx(300, abs=5)


async def test_of_many_jobs_that_wait_a_few_are_looked_at(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    works(clean_redis)
    learn(clean_redis, "org/tiny", step=20)
    ids = [(await client.enqueue(request(**EMBED, work=1), limit=1000)).job_id for _ in range(200)]
    assert len((await take(client.redis)).waiting["llm"]) == LOOK
    for position in (1, 50, 200):
        info = await client.info(ids[position - 1])
        assert info.position == position
        assert info.eta == pytest.approx(20 * position, rel=0.02, abs=5)


async def test_how_long_an_answer_is_is_what_the_app_usually_gets(
    client: JobClient, clean_redis: redis.Redis
) -> None:
    works(clean_redis)
    learn(clean_redis, "org/tiny", read=0.001, write=0.1, answer=300, app="notes")
    for app, most, seconds in (("notes", 0, 30.1), ("notes", 100, 10.1), ("other", 1000, 30.1)):
        job_id = (await client.enqueue(request(app=app, work=100, most_tokens=most))).job_id
        assert (await client.info(job_id)).eta == pytest.approx(seconds, rel=0.05)
        await client.cancel(job_id)


async def test_figures_that_cannot_be_computed_with_are_as_good_as_none(
    client: JobClient, clean_redis: redis.Redis
) -> None:
    """They may come from another machine."""
    works(clean_redis)
    learn(clean_redis, "org/tiny", read=0.001, write=0.1, answer=300)
    field = field_of(HOST, "org/tiny")
    told: Any = clean_redis.hget(keys.PACES, field)
    figures = json.loads(told)
    figures["habits"][""]["answer"] = 1e6
    clean_redis.hset(keys.PACES, field, json.dumps(figures))
    job_id = (await client.enqueue(request(work=100))).job_id
    assert (await client.info(job_id)).eta is None


async def test_estimates_that_were_wrong_are_corrected(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    works(clean_redis)
    learn(clean_redis, "org/tiny", step=2)
    for _ in range(50):
        job_id = await run(client, gate, **EMBED, work=1)
        assert (await client.info(job_id)).eta
        # As if it had been asked four seconds ago.
        phase, at, _ = str(await client.redis.hget(keys.job(job_id), "mlxq_foreseen")).split()
        clean_redis.hset(keys.job(job_id), "mlxq_foreseen", f"{phase} {float(at) - 4} 2")
        gate.write([], [Ending(job_id, "execution-1", made({}))])
    job_id = await run(client, gate, **EMBED, work=1)
    assert (await client.info(job_id)).eta == pytest.approx(4, rel=0.25)


@pytest.mark.parametrize(("seconds", "least", "most"), [(60, 50, 76), (1000, 120, 120), (0.2, 1, 1)])
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
