"""One consumer under any process that takes jobs: jobs that are cancelled, lost or put back, and commands."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis

from config.settings import Settings
from jobs import keys
from jobs.client import JobClient
from jobs.commands import SHUTDOWN
from jobs.consumer import feeder
from jobs.consumer.consumer import Consumer
from jobs.consumer.execution import Execution
from jobs.consumer.queue import ConsumedQueue
from jobs.gate import Ending
from jobs.service_class import ServiceClass
from tests.support.jobs import TTL, request, waiting
from tests.support.payloads import made

pytestmark = pytest.mark.anyio


class Process:
    """Holds its jobs until it is told what to do with them."""

    def __init__(self, settings: Settings, *, yields: bool = False) -> None:
        self.running: list[Execution] = []
        self.cancelled: list[str] = []
        self.dropped: list[str] = []
        self.commands: list[tuple[str, str]] = []
        self.changed = threading.Condition()
        self.consumer = Consumer(settings, self, max_attempts=2)
        self.queue: ConsumedQueue = self.consumer.consume("llm", 3, self, yields=yields)

    def start(self) -> None:
        assert self.consumer.connect(threading.Event())
        self.consumer.start()

    def stop(self) -> None:
        self.consumer.stop_taking()
        self.consumer.release(self.queue)
        self.consumer.stop()
        self.queue.close(1.0)
        self.consumer.close()

    async def until(self, true: Callable[[], bool]) -> None:
        def wait() -> bool:
            with self.changed:
                return self.changed.wait_for(true, 60)

        assert await asyncio.to_thread(wait)

    def _note(self, into: list[Any], what: Any) -> None:
        with self.changed:
            into.append(what)
            self.changed.notify_all()

    def accept(self, execution: Execution) -> None:
        self._note(self.running, execution)

    def cancel(self, execution_id: str) -> None:
        self._note(self.cancelled, execution_id)

    def linger(self, execution_id: str, lingers: bool) -> None:
        pass

    def drop(self, execution_id: str) -> None:
        self._note(self.dropped, execution_id)

    def ended(self, execution: Execution, ending: Ending) -> None:
        """Nothing waits for this."""

    def hangs(self) -> bool:
        return False

    def on_beat(self) -> None:
        """Nothing is published."""

    def on_command(self, verb: str, argument: str) -> None:
        self._note(self.commands, (verb, argument))


@pytest.fixture
def process(redis_url: str, clean_redis: redis.Redis) -> Iterator[Process]:
    process = Process(Settings(redis_url=redis_url))
    process.start()
    yield process
    process.stop()


@pytest.fixture
async def client(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[JobClient]:
    client = JobClient(redis_url, queue_limit=50, ttl=TTL)
    await client.start()
    await client.bus.connected.wait()
    yield client
    await client.stop()


async def submit(client: JobClient, count: int) -> list[str]:
    ids = []
    for _ in range(count):
        job = request()
        await client.enqueue(job)
        ids.append(job.id)
    return ids


async def test_it_takes_as_many_jobs_as_it_has_room_for(
    process: Process, client: JobClient, clean_redis: redis.Redis
) -> None:
    ids = await submit(client, 5)
    await process.until(lambda: len(process.running) == 3)
    assert [each.claim.job_id for each in process.running] == ids[:3]
    assert len(waiting(clean_redis)) == 2
    first = process.running[0]
    process.queue.put([Ending(first.claim.job_id, first.id, result=made({"text": "done"}))])
    await process.until(lambda: len(process.running) == 4)
    assert process.running[-1].claim.job_id == ids[3]
    assert (process.queue.finished, process.queue.busy) == (1, True)


async def test_jobs_that_are_put_back_keep_their_order(
    redis_url: str, client: JobClient, clean_redis: redis.Redis
) -> None:
    process = Process(Settings(redis_url=redis_url))
    process.start()
    ids = await submit(client, 4)
    await process.until(lambda: len(process.running) == 3)
    await asyncio.to_thread(process.stop)
    assert waiting(clean_redis) == ids
    assert clean_redis.zcard(keys.started("llm")) == 0
    assert not clean_redis.smembers(keys.WORKERS)


async def test_a_cancellation_comes_at_once_and_a_lost_one_with_a_beat(
    process: Process, client: JobClient, clean_redis: redis.Redis
) -> None:
    first, second, third = await submit(client, 3)
    await process.until(lambda: len(process.running) == 3)
    by_job = {each.claim.job_id: each.id for each in process.running}
    await client.cancel(first)
    await process.until(lambda: process.cancelled[:1] == [by_job[first]])
    # Somebody else has it: the lease is gone.
    clean_redis.zrem(keys.started("llm"), f"{second}:{by_job[second]}")
    await process.until(lambda: by_job[second] in process.dropped)
    assert by_job[third] not in [*process.dropped, *process.cancelled]


async def test_an_interactive_job_is_taken_at_once_beside_a_background_that_is_full(
    redis_url: str, client: JobClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However rarely it is looked at what else waits."""
    monkeypatch.setattr(feeder, "_LOOK_AGAIN", 600.0)
    rests, look_again = threading.Event(), feeder.Feeder._look_again

    def noted(self: feeder.Feeder) -> list[Execution]:
        rests.set()
        return look_again(self)

    monkeypatch.setattr(feeder.Feeder, "_look_again", noted)
    process = Process(Settings(redis_url=redis_url), yields=True)
    process.start()
    for _ in range(5):
        await client.enqueue(request(service_class=ServiceClass.BACKGROUND))
    assert await asyncio.to_thread(rests.wait, 20)
    assert len(process.running) == 3
    await client.enqueue(request(service_class=ServiceClass.INTERACTIVE))
    await process.until(lambda: len(process.running) == 4)
    assert process.running[-1].claim.service_class is ServiceClass.INTERACTIVE
    await asyncio.to_thread(process.stop)


async def test_a_command_that_is_published_after_the_start_is_never_lost(
    redis_url: str, clean_redis: redis.Redis
) -> None:
    for _ in range(3):
        process = Process(Settings(redis_url=redis_url))
        process.start()
        clean_redis.publish(keys.COMMANDS, "load llm other org/tiny")
        clean_redis.publish(keys.COMMANDS, SHUTDOWN)
        heard = process.commands
        await process.until(lambda heard=heard: len(heard) == 2)  # type: ignore[misc]
        assert process.commands[0] == ("load", "llm other org/tiny")
        assert process.consumer.asked == SHUTDOWN
        await asyncio.to_thread(process.stop)


async def test_what_is_no_text_ends_neither_a_start_nor_the_channel_of_commands(
    redis_url: str, clean_redis: redis.Redis
) -> None:
    """Others may write into RQ's list of workers, and publish commands."""
    entry = keys.worker("other.1.llm")
    clean_redis.sadd(keys.WORKERS, entry)
    clean_redis.hset(entry, mapping={"pid": b"\xff", "queues": b"\xff", "mlxq_machine": b"\xff"})
    process = Process(Settings(redis_url=redis_url))
    process.start()
    clean_redis.publish(keys.COMMANDS, b"load llm other \xff")
    clean_redis.publish(keys.COMMANDS, SHUTDOWN)
    await process.until(lambda: process.consumer.asked == SHUTDOWN and len(process.commands) == 2)
    await asyncio.to_thread(process.stop)
