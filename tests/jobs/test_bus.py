"""A watch tells a job's whole story, in order, once: whatever pub/sub lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis

from jobs import bus, keys
from jobs.bus import Watch
from jobs.client import JobClient
from jobs.errors import JobNotFound, ServiceUnavailable
from jobs.events import Entry
from jobs.gate import Emission, Ending, Gate
from jobs.status import JobStatus
from tests.private_redis import PrivateRedis
from tests.support.events import EventType, data_of, encode_event
from tests.support.jobs import TTL, request
from tests.support.payloads import made

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are read where something tells of them, not because it has been silent for a while."""
    monkeypatch.setattr(bus, "SILENCE", 1000.0)


@pytest.fixture
async def client(redis_server: PrivateRedis) -> AsyncIterator[JobClient]:
    client = JobClient(redis_server.url, queue_limit=10, ttl=TTL)
    await client.start()
    await client.bus.connected.wait()
    yield client
    await client.stop()


@pytest.fixture
def connection(redis_server: PrivateRedis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url) as connection:
        yield connection


@pytest.fixture
def gate(connection: redis.Redis) -> Gate:
    return Gate(connection, "llm", "worker-1", TTL)


def emission(job_id: str, number: int) -> Emission:
    return Emission(job_id, "execution-1", number, encode_event(EventType.DELTA, index=0, text=str(number)))


def start(gate: Gate) -> str:
    (job_id,) = gate.take(1) or [""]
    assert gate.claim([(job_id, "execution-1")])
    return job_id


async def test_a_watch_hears_everything_as_it_happens(client: JobClient, gate: Gate) -> None:
    async with client.submit(request()) as (submission, watch):
        assert submission.position == 1
        job_id = start(gate)
        gate.write(
            [emission(job_id, 1), emission(job_id, 2)], [Ending(job_id, "execution-1", result=made({"n": 2}))]
        )
        events = [await watch.next(60) for _ in range(4)]
    told = [(e.type, data_of(e).get("text")) for e in events if e]
    assert told == [("started", None), ("delta", "1"), ("delta", "2"), ("completed", None)]
    assert events[3] is not None
    assert data_of(events[3])["result"] == {"n": 2}
    assert len(client.bus) == 0


async def test_a_late_watch_reads_what_it_missed_and_goes_on(client: JobClient, gate: Gate) -> None:
    submission = await client.enqueue(request())
    start(gate)
    gate.write([emission(submission.job_id, 1)], [])
    async with client.watch(submission.job_id) as watch:
        gate.write(
            [emission(submission.job_id, 2)], [Ending(submission.job_id, "execution-1", result=made({}))]
        )
        texts = [data_of(event).get("text") for _ in range(4) if (event := await watch.next(60))]
    assert texts == [None, "1", "2", None]


async def test_a_watch_resumes_after_any_event(client: JobClient, gate: Gate) -> None:
    submission = await client.enqueue(request())
    start(gate)
    gate.write([emission(submission.job_id, n) for n in range(1, 6)], [])
    gate.write([], [Ending(submission.job_id, "execution-1", result=made({}))])
    async with client.watch(submission.job_id) as watch:
        story = [event for _ in range(7) if (event := await watch.next(60))]
    for place, seen in enumerate(story):
        async with client.watch(submission.job_id, after=seen.id) as watch:
            rest = []
            while event := watch.pending():
                rest.append(event)
        assert rest == story[place + 1 :]


async def test_events_published_while_the_bus_was_away_are_caught_up(
    client: JobClient, gate: Gate, redis_server: PrivateRedis
) -> None:
    async with client.submit(request()) as (_, watch):
        job_id = start(gate)
        assert (await watch.next(60)) is not None
        gate.write([emission(job_id, 1)], [])
        assert (await watch.next(60)) is not None
        redis_server.kill()
        redis_server.start()
        # Nobody may have been listening when these were published.
        gate.write(
            [emission(job_id, 2), emission(job_id, 3)], [Ending(job_id, "execution-1", result=made({}))]
        )
        rest = [data_of(event).get("text") for _ in range(3) if (event := await watch.next(60))]
    assert rest == ["2", "3", None]


@pytest.fixture
def impatient(live: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch looks into its stream sooner than it does else."""
    monkeypatch.setattr(bus, "SILENCE", 0.1)
    monkeypatch.setattr(bus, "TICK", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_an_event_that_pubsub_lost_is_found_in_the_stream(
    client: JobClient, gate: Gate, connection: redis.Redis
) -> None:
    async with client.submit(request()) as (_, watch):
        job_id = start(gate)
        assert (await watch.next(60)) is not None
        connection.xadd(keys.events(job_id), {"e": encode_event(EventType.DELTA, index=0, text="silent")})
        event = await watch.next(60)
    assert event is not None
    assert data_of(event)["text"] == "silent"


@pytest.mark.usefixtures("impatient")
async def test_a_job_that_vanishes_does_not_leave_its_watch_waiting(
    client: JobClient, connection: redis.Redis
) -> None:
    async with client.submit(request()) as (submission, watch):
        connection.delete(keys.job(submission.job_id))
        with pytest.raises(JobNotFound):
            await watch.next(60)


async def test_a_job_that_is_not_accepted_yet_has_not_vanished(
    client: JobClient, connection: redis.Redis, gate: Gate
) -> None:
    """The bus comes back and looks for what it missed, while Redis still holds the submission up."""
    connection.client_pause(1000, all=False)
    connection.client_kill_filter(_type="pubsub")
    async with client.submit(request()) as (_, watch):
        first = asyncio.create_task(watch.next(60))
        await asyncio.sleep(0)
        job_id = start(gate)
        event = await first
    assert event is not None
    assert (event.type, job_id) == ("started", watch.job_id)


async def test_waiting_jobs_know_their_place(client: JobClient, gate: Gate) -> None:
    first, second = await client.enqueue(request()), await client.enqueue(request())
    assert (await client.info(second.job_id)).position == 2
    start(gate)
    assert (await client.info(second.job_id)).position == 1
    info = await client.info(first.job_id)
    assert (info.status, info.position, info.attempts) == (JobStatus.IN_PROGRESS, None, 1)


async def test_listing_pages_do_not_shift_when_jobs_come(client: JobClient) -> None:
    ids = [(await client.enqueue(request())).job_id for _ in range(5)]
    page, more = await client.jobs(limit=2)
    newer = [(await client.enqueue(request())).job_id for _ in range(2)]
    rest, end = await client.jobs(limit=10, after=page[-1].id)
    seen = [job.id for job in [*page, *rest]]
    assert sorted(seen) == sorted(ids)
    assert (more, end) == (True, False)
    assert not set(seen) & set(newer)


async def test_without_redis_every_call_says_so(client: JobClient, redis_server: PrivateRedis) -> None:
    redis_server.kill()
    with pytest.raises(ServiceUnavailable) as refused:
        await client.enqueue(request())
    assert refused.value.retry_after
    with pytest.raises(ServiceUnavailable):
        await client.stats()
    redis_server.start()
    assert (await client.enqueue(request())).position == 1


async def test_a_live_event_does_not_overtake_those_that_a_new_watch_has_yet_to_read(
    client: JobClient, gate: Gate
) -> None:
    submission = await client.enqueue(request())
    start(gate)
    async with client.watch(submission.job_id) as first:
        gate.write([emission(submission.job_id, 1)], [])
        late = client.bus.watch(submission.job_id, "llm")
        gate.write([emission(submission.job_id, 2)], [])
        assert [event.id for _ in range(3) if (event := await first.next(60))]
        assert late.pending() is None
        await late.catch_up()
        numbers = [data_of(event).get("text") for _ in range(3) if (event := late.pending())]
    client.bus.forget(late)
    assert numbers == [None, "1", "2"]


async def test_watches_that_are_opened_at_once_all_read_what_they_missed(
    client: JobClient, gate: Gate
) -> None:
    submission = await client.enqueue(request())
    start(gate)
    gate.write([emission(submission.job_id, 1)], [])
    async with client.watch(submission.job_id):
        late = [client.bus.watch(submission.job_id, "llm") for _ in range(3)]
        await asyncio.gather(*(watch.catch_up() for watch in late))
        told = [[data_of(event).get("text") async for event in heard(watch, 2)] for watch in late]
    for watch in late:
        client.bus.forget(watch)
    assert told == [[None, "1"]] * 3


async def heard(watch: Watch, number: int) -> AsyncIterator[Entry]:
    """So many events, as far as they come."""
    for _ in range(number):
        if (event := await watch.next(60)) is not None:
            yield event


async def test_a_process_that_was_dropped_catches_up_before_it_hears_more(
    client: JobClient, gate: Gate, connection: redis.Redis
) -> None:
    submission = await client.enqueue(request())
    start(gate)
    async with client.watch(submission.job_id) as first:
        assert await first.next(60) is not None
        connection.delete(keys.watchers(submission.job_id))
        gate.write([emission(submission.job_id, 1)], [])
        # Another client of the process has it told of the job again.
        async with client.watch(submission.job_id):
            gate.write([emission(submission.job_id, 2)], [])
            ids = [event.id for _ in range(2) if (event := await first.next(60))]
        stream: Any = connection.xrange(keys.events(submission.job_id))
    assert ids == [entry.decode() for entry, _ in stream[1:]]


@pytest.mark.parametrize(
    "said", [b"no json", b"\xff", b'[["a","1-0",{"type":"delta","text":"\xff"}]]', b"[[1]]"]
)
async def test_a_message_that_cannot_be_read_does_not_end_the_bus(
    client: JobClient, gate: Gate, connection: redis.Redis, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    # Nothing but the bus brings events.
    monkeypatch.setattr(bus, "SILENCE", 1e9)
    async with client.submit(request()) as (_, watch):
        connection.publish(keys.bus(client.bus.process), said)
        job_id = start(gate)
        gate.write([], [Ending(job_id, "execution-1", result=made({}))])
        events = [await watch.next(60) for _ in range(2)]
    assert [event.type for event in events if event] == ["started", "completed"]
