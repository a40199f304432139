"""The gate's promises: bounded admission, one owner per execution, nothing lost, nothing written twice."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import orjson
import pytest
import redis

from jobs import keys
from jobs.gate import Admission, AsyncGate, Emission, Ending, Gate
from jobs.gate.scripts import script
from jobs.payloads import TranscriptionPayload
from jobs.redis.connection import async_connection
from jobs.request import Attach
from tests.support.events import EventType, encode_event
from tests.support.jobs import TTL, memory_of, request, waiting
from tests.support.payloads import made

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, "llm", "worker-1", TTL)


@pytest.fixture
def other(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, "llm", "worker-2", TTL)


@pytest.fixture
async def front(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[AsyncGate]:
    connection = async_connection(redis_url)
    yield AsyncGate(connection, TTL)
    await connection.aclose()


def start(gate: Gate, execution_id: str = "execution-1") -> str:
    (job_id,) = gate.take(1) or [""]
    assert gate.claim([(job_id, execution_id)])
    return job_id


def delta(text: str) -> bytes:
    return encode_event(EventType.DELTA, index=0, text=text)


def story(connection: redis.Redis, job_id: str) -> list[str]:
    """The events of a job, as `type` or `type:text`."""
    told = []
    entries: Any = connection.xrange(keys.events(job_id))
    for _, fields in entries:
        event = orjson.loads(fields[b"e"])
        told.append(event["type"] + (":" + event["text"] if "text" in event else ""))
    return told


def end_lease(connection: redis.Redis) -> None:
    members: Any = connection.zrange(keys.started("llm"), 0, -1)
    connection.zadd(keys.started("llm"), dict.fromkeys(members, 1))


def status(connection: redis.Redis, job_id: str) -> str:
    found: Any = connection.hget(keys.job(job_id), "status")
    return str(found.decode())


async def test_events_come_before_the_end_whichever_script_redis_knows(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    """Of two in one round trip, one that Redis does not know would run after the other."""
    await front.admit(request(), 10)
    job_id = start(gate)
    clean_redis.script_flush()
    clean_redis.script_load(script("finish")[0])
    ending = Ending(job_id, "execution-1", result=made({"text": "hello"}))
    assert gate.write([Emission(job_id, "execution-1", 1, delta("hello"))], [ending]) == set()
    assert story(clean_redis, job_id)[-2:] == ["delta:hello", "completed"]


async def test_exactly_as_many_jobs_wait_as_may(front: AsyncGate, clean_redis: redis.Redis) -> None:
    verdicts: list[Admission] = []

    async def submit() -> None:
        verdict, _ = await front.admit(request(), limit=32)
        verdicts.append(verdict)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(submit)

    assert verdicts.count(Admission.OK) == 32
    assert verdicts.count(Admission.FULL) == 68
    assert len(waiting(clean_redis)) == 32


async def test_no_job_is_taken_in_when_redis_is_nearly_full(
    front: AsyncGate, clean_redis: redis.Redis
) -> None:
    with memory_of(clean_redis, 100_000):
        verdict, _ = await front.admit(request(), limit=32)
    assert verdict is Admission.MEMORY
    assert waiting(clean_redis) == []


async def test_an_idempotency_key_stands_for_one_job(front: AsyncGate) -> None:
    first = request(idempotency_scope="caller:key", fingerprint="body-1")
    again = request(idempotency_scope="caller:key", fingerprint="body-1")
    other_body = request(idempotency_scope="caller:key", fingerprint="body-2")
    assert await front.admit(first, 9) == (Admission.OK, "1")
    assert await front.admit(again, 9) == (Admission.EXISTS, first.id)
    assert await front.admit(other_body, 9) == (Admission.CONFLICT, first.id)


async def test_a_retry_attaches_to_the_job_while_it_lives(front: AsyncGate, gate: Gate) -> None:
    first = request(fingerprint="body")
    await front.admit(first, 9)
    assert await front.admit(request(fingerprint="body", attach=Attach.RETRY), 9) == (
        Admission.EXISTS,
        first.id,
    )

    job_id = start(gate)
    assert await front.admit(request(fingerprint="body", attach=Attach.RETRY), 9) == (
        Admission.EXISTS,
        first.id,
    )

    gate.write([], [Ending(job_id, "execution-1")])  # cancelled: a retry wants a new one
    verdict, _ = await front.admit(request(fingerprint="body", attach=Attach.RETRY), 9)
    assert verdict is Admission.OK


async def test_the_same_request_twice_is_two_jobs_unless_it_says_that_it_is_a_retry(front: AsyncGate) -> None:
    await front.admit(request(fingerprint="body"), 9)
    assert await front.admit(request(fingerprint="body"), 9) == (Admission.OK, "2")


async def test_a_job_that_was_cancelled_while_it_waited_is_never_claimed(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    submitted = request()
    await front.admit(submitted, 9)
    (taken,) = gate.take(1) or [""]
    assert await front.cancel(submitted.id) == "cancelled"
    assert gate.claim([(taken, "execution-1")]) == []
    assert story(clean_redis, submitted.id) == ["cancelled"]
    assert clean_redis.llen(keys.intermediate("llm")) == 0


async def test_a_job_whose_caller_lost_patience_expires_instead_of_starting(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    submitted = request(expires_in=-1.0)
    await front.admit(submitted, 9)
    (taken,) = gate.take(1) or [""]
    assert gate.claim([(taken, "execution-1")]) == []
    assert story(clean_redis, submitted.id) == ["expired"]


async def test_cancelling_a_running_job_reaches_its_worker_at_the_next_beat(
    front: AsyncGate, gate: Gate
) -> None:
    await front.admit(request(), 9)
    job_id = start(gate)
    assert await front.cancel(job_id) == "cancelling"
    assert gate.beat([(job_id, "execution-1")]) == (set(), {"execution-1"}, set())


async def test_a_job_that_has_ended_can_not_be_cancelled(front: AsyncGate, gate: Gate) -> None:
    await front.admit(request(), 9)
    job_id = start(gate)
    gate.write([], [Ending(job_id, "execution-1", result=made({}))])
    assert await front.cancel(job_id) == "finished"
    assert await front.cancel("chatcmpl-unknown") == "gone"


async def test_what_is_written_twice_is_told_once(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    """A worker that lost Redis' answer writes again."""
    await front.admit(request(), 9)
    job_id = start(gate)
    events = [
        Emission(job_id, "execution-1", 1, delta("a")),
        Emission(job_id, "execution-1", 2, delta("b")),
    ]
    ending = Ending(job_id, "execution-1", result=made({"text": "ab"}))
    gate.write(events, [])
    gate.write(events, [])
    gate.write([Emission(job_id, "execution-1", 3, delta("c"))], [ending])
    gate.write([Emission(job_id, "execution-1", 3, delta("c"))], [ending])
    assert story(clean_redis, job_id) == ["started", "delta:a", "delta:b", "delta:c", "completed"]
    assert clean_redis.xlen(keys.results(job_id)) == 1


async def test_a_dead_workers_job_runs_again_from_the_start(
    front: AsyncGate, gate: Gate, other: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), 9)
    job_id = start(gate)
    gate.write([Emission(job_id, "execution-1", 1, delta("half"))], [])
    assert other.recover(3) == (0, 0)  # its lease still holds
    end_lease(clean_redis)
    assert other.recover(3) == (1, 0)

    assert start(other, "execution-2") == job_id
    assert story(clean_redis, job_id) == ["started", "delta:half", "requeued", "reset", "started"]


async def test_a_worker_that_is_known_to_be_dead_is_not_waited_for(
    front: AsyncGate, gate: Gate, other: Gate
) -> None:
    await front.admit(request(), 9)
    start(gate)
    assert other.recover(3, ["worker-9"]) == (0, 0)
    assert other.recover(3, ["worker-1"]) == (1, 0)


async def test_a_worker_that_slept_through_its_lease_writes_nothing_more(
    front: AsyncGate, gate: Gate, other: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), 9)
    job_id = start(gate)
    end_lease(clean_redis)
    other.recover(3)
    start(other, "execution-2")

    late = Emission(job_id, "execution-1", 1, delta("late"))
    assert gate.write([late], [Ending(job_id, "execution-1", result=made({}))]) == {"execution-1"}
    assert gate.beat([(job_id, "execution-1")])[0] == {"execution-1"}
    assert gate.release(job_id, "execution-1") is False
    assert "delta:late" not in story(clean_redis, job_id)
    assert status(clean_redis, job_id) == "started"
    other.write([], [Ending(job_id, "execution-2", result=made({}))])
    assert status(clean_redis, job_id) == "finished"


async def test_a_job_that_kills_every_worker_fails_with_the_reason(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), 9)
    for attempt in range(3):
        job_id = start(gate, f"execution-{attempt}")
        end_lease(clean_redis)
        assert gate.recover(3) == ((0, 1) if attempt == 2 else (1, 0))
    assert status(clean_redis, job_id) == "failed"
    newest: Any = clean_redis.xrevrange(keys.events(job_id), count=1)
    last = orjson.loads(newest[0][1][b"e"])
    assert last["error"]["code"] == "worker_died"
    assert waiting(clean_redis) == []


async def test_a_cancelled_job_of_a_dead_worker_is_cancelled_not_run_again(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), 9)
    job_id = start(gate)
    await front.cancel(job_id)
    end_lease(clean_redis)
    assert gate.recover(3) == (0, 0)
    assert status(clean_redis, job_id) == "canceled"


async def test_a_job_taken_but_not_claimed_goes_back_to_the_front(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    first, second = request(), request()
    await front.admit(first, 9)
    await front.admit(second, 9)
    assert gate.take(1) == [first.id]  # and the worker dies here
    gate.recover(3)
    clean_redis.zadd(keys.intermediate_seen("llm"), {first.id: 1})
    assert gate.recover(3) == (1, 0)
    assert gate.take(1) == [first.id]
    assert gate.claim([(first.id, "execution-1")])


async def test_of_two_that_hold_the_same_id_only_one_can_claim_it(
    front: AsyncGate, gate: Gate, other: Gate
) -> None:
    await front.admit(request(), 9)
    (taken,) = gate.take(1) or [""]
    assert gate.claim([(taken, "execution-1")])
    assert other.claim([(taken, "execution-2")]) == []


async def test_released_jobs_keep_their_place_and_their_tries(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    first, second = request(), request()
    await front.admit(first, 9)
    await front.admit(second, 9)
    for drain in range(5):
        job_id = start(gate, f"execution-{drain}")
        assert job_id == first.id
        assert gate.release(job_id, f"execution-{drain}")
    start(gate, "execution-9")
    end_lease(clean_redis)
    assert gate.recover(3) == (1, 0)  # the first crash, after five drains


async def test_the_scripts_come_back_after_redis_forgot_them(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    await front.admit(request(), 9)
    clean_redis.script_flush()
    job_id = start(gate)
    clean_redis.script_flush()
    events = [Emission(job_id, "execution-1", 1, delta("a"))]
    assert gate.write(events, [Ending(job_id, "execution-1", result=made({}))]) == set()
    assert story(clean_redis, job_id) == ["started", "delta:a", "completed"]


async def test_many_waiting_jobs_are_taken_at_once_in_their_order(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    jobs = [request() for _ in range(5)]
    for job in jobs:
        await front.admit(job, 9)
    await front.cancel(jobs[1].id)
    taken = gate.take(1, most=3) or []
    assert taken == [jobs[0].id, jobs[2].id, jobs[3].id]
    claims = gate.claim([(job_id, f"execution-{job_id}") for job_id in taken])
    assert [claim.job_id for claim in claims] == taken
    gate.put_back(gate.take(1, most=3) or ())
    assert gate.take(1, most=3) == [jobs[4].id]


async def test_a_payload_that_does_not_fit_its_kind_fails_its_job_and_no_other(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis
) -> None:
    odd, even = request(payload=TranscriptionPayload(audio="input-1")), request()
    await front.admit(odd, limit=32)
    await front.admit(even, limit=32)
    taken = gate.take(1, 2) or []
    claims = gate.claim([(job_id, f"execution-{number}") for number, job_id in enumerate(taken)])
    assert [claim.job_id for claim in claims] == [even.id]
    assert status(clean_redis, odd.id) == "failed"
    failure: Any = clean_redis.hget(keys.job(odd.id), "exc_info")
    assert "kind 'chat'" in failure.decode()
    assert "`messages`" in failure.decode()
