"""Jobs whose clients have left, in a real worker: they end in time, and at once where others need their place."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
import redis

from config.settings import Settings
from jobs.bus import Watch
from jobs.client import JobClient
from jobs.gate import Parting
from jobs.kinds import Category, Kind
from jobs.payloads import ChatPayload
from jobs.request import Attach, JobRequest, new_job_id
from jobs.status import JobStatus
from tests.support.jobs import waiting
from tests.support.lanes import Bench, ScriptedEngine
from worker.memory import Limits

pytestmark = pytest.mark.anyio

#: As long as a test could last, and hardly any time.
LONG, SHORT = 600.0, 0.05
ENDLESS = 10**9


class PausableEngine(ScriptedEngine):
    """Its paused tasks stand still at once."""

    def __init__(self, model: str, failures: list[Exception]) -> None:
        super().__init__(model, failures)
        self.paused: set[str] = set()
        self.hushed: dict[str, list[int]] = {}

    def pause(self, task_id: str) -> None:
        self.paused.add(task_id)
        self.hushed[task_id] = self.tasks.pop(task_id)

    def resume(self, task_id: str) -> None:
        self.paused.discard(task_id)
        self.tasks[task_id] = self.hushed.pop(task_id)

    def remove(self, task_id: str) -> None:
        super().remove(task_id)
        self.hushed.pop(task_id, None)
        self.paused.discard(task_id)

    @property
    def idle(self) -> bool:
        return not self.tasks


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"batch_size": 1})


@pytest.fixture
def pausing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines can pause: what nobody waits for makes no flood of events."""
    monkeypatch.setattr("tests.support.lanes.ScriptedEngine", PausableEngine)


def asked(linger: float, *, model: str = "first", count: int = ENDLESS, name: str = "same") -> JobRequest:
    return JobRequest(
        id=new_job_id(Kind.CHAT),
        queue=Category.LLM,
        kind=Kind.CHAT,
        model=model,
        payload=ChatPayload(messages=[{"count": count, "name": name}]),
        timeout=30,
        stream=True,
        fingerprint=name,
        attach=Attach.LEFT,
        linger=linger,
    )


async def lost(client: JobClient, request: JobRequest) -> str:
    """Submit it for a client that leaves when it runs."""
    async with client.submit(request) as (submission, watch):
        await hear(watch, "delta")
        await client.part(watch, Parting.LEFT)
    return submission.job_id


async def hear(watch: Watch, kind: str) -> None:
    while (entry := await watch.next(60)) is not None:
        if entry.type == kind:
            return
    raise AssertionError(f"no {kind} came")


async def known(bench: Bench, *, left: bool) -> None:
    """Until the worker knows that the client has left, or is back. Before that a place may still be lent."""
    queue = bench.host.lanes[Category.LLM].queue
    await until(lambda: bool(queue._lingering.to_end(queue._executions)) is left)


async def until(what: Callable[[], Any]) -> None:
    with anyio.fail_after(60):
        while not what():
            await anyio.sleep(0.01)


async def test_a_job_ends_when_its_client_does_not_come_back(
    pausing: None, bench: Bench, client: JobClient
) -> None:
    job_id = await lost(client, asked(SHORT))
    assert (await bench.story(job_id))[-1].type == "cancelled"
    assert (await client.stats())["llm"].lingering == 0


async def test_it_gives_its_place_in_a_full_batch_to_another(
    pausing: None, bench: Bench, client: JobClient
) -> None:
    job_id = await lost(client, asked(LONG))
    assert (await client.info(job_id)).lingers_until is not None
    other = await bench.submit(count=1)
    assert (await bench.story(other))[-1].type == "completed"
    assert (await bench.story(job_id))[-1].type == "cancelled"


async def test_it_gives_its_slot_to_another_model(pausing: None, bench: Bench, client: JobClient) -> None:
    bench.host.memory._limits = lambda: Limits(models=1, idle=0)
    job_id = await lost(client, asked(LONG))
    other = await bench.submit("second", count=1)
    assert (await bench.story(other))[-1].type == "completed"
    assert (await bench.story(job_id))[-1].type == "cancelled"


async def test_it_gives_its_memory_to_another_category(
    pausing: None, bench: Bench, client: JobClient
) -> None:
    memory, lane = bench.host.memory, bench.host.lanes[Category.LLM].lanes[0]
    memory._used = lambda: memory._budget if lane.slot.model else 0
    job_id = await lost(client, asked(LONG))
    picture = await bench.submit("second", Category.IMAGE, count=1)
    assert (await bench.story(picture))[-1].type == "completed"
    assert (await bench.story(job_id))[-1].type == "cancelled"


async def test_while_nobody_needs_its_place_it_goes_on_to_its_end(bench: Bench, client: JobClient) -> None:
    request = asked(LONG, count=50)
    job_id = await lost(client, request)
    assert (await bench.story(job_id))[-1].type == "completed"
    async with client.submit(asked(LONG, count=50)) as (submission, watch):
        assert submission.job_id == job_id
        await hear(watch, "completed")


async def test_whose_client_is_back_gives_way_to_nobody(
    pausing: None, bench: Bench, client: JobClient
) -> None:
    job_id = await lost(client, asked(LONG))
    await known(bench, left=True)
    async with client.submit(asked(LONG)) as (submission, watch):
        assert submission.job_id == job_id
        await known(bench, left=False)
        other = await bench.submit(count=1)
        for _ in range(50):
            await hear(watch, "delta")
        assert (await client.info(other)).status is JobStatus.QUEUED
        await client.cancel(job_id)
        await hear(watch, "cancelled")
    assert (await bench.story(other))[-1].type == "completed"


async def test_a_place_that_was_lent_is_not_lent_twice(
    pausing: None, bench: Bench, client: JobClient, clean_redis: redis.Redis
) -> None:
    """Clients that come and go do not change how many jobs run at once."""
    job_id = await lost(client, asked(LONG))
    for _ in range(5):
        await known(bench, left=True)
        async with client.submit(asked(LONG)) as (submission, watch):
            assert submission.job_id == job_id
            await known(bench, left=False)
            await client.part(watch, Parting.LEFT)
    await known(bench, left=True)
    async with client.submit(asked(LONG)) as (_, watch):
        await known(bench, left=False)
        others = [await bench.submit(count=ENDLESS) for _ in range(3)]
        for _ in range(50):
            await hear(watch, "delta")
        # One may just have been taken for the place that is not free any more, to be put back.
        await until(lambda: len(waiting(clean_redis)) == 3)
        assert len(bench.host.lanes[Category.LLM].queue.executions()) == 1
        await client.cancel(job_id)
        await hear(watch, "cancelled")
    await bench.story(others[0], until=lambda entry: entry.type == "delta")
    assert len(waiting(clean_redis)) == 2


async def test_an_engine_that_can_pause_stands_still_until_the_client_is_back(
    pausing: None, bench: Bench, client: JobClient
) -> None:
    job_id = await lost(client, asked(LONG))
    engine = bench.engine
    assert isinstance(engine, PausableEngine)
    await until(lambda: engine.paused)
    steps = engine.steps
    async with client.submit(asked(LONG)) as (submission, watch):
        assert submission.job_id == job_id
        await until(lambda: engine.steps > steps)
        assert not engine.paused
        await client.cancel(job_id)
        await hear(watch, "cancelled")
    await until(lambda: not engine.tasks)
