"""Two workers on one Redis: a load or an unload concerns both, and the answer says what became of it in each."""

import asyncio

import pytest
import redis
from rq import Worker

from api.dispatch.slots import held
from api.models.workers import obeyed
from jobs import keys
from jobs.client import JobClient
from jobs.kinds import Category, Kind
from tests.support.events import EventType
from tests.support.lanes import Bench
from tests.worker.conftest import StartBench

pytestmark = pytest.mark.anyio


@pytest.fixture
def other(start_bench: StartBench) -> Bench:
    return start_bench()


@pytest.fixture
async def both(bench: Bench, other: Bench, client: JobClient) -> tuple[Bench, Bench]:
    """Both have `first` in memory."""
    await bench.story(await bench.send(Kind.LOAD, "first"))
    rows = await obeyed(client, Kind.LOAD, "llm", "first", [])
    assert {row["status"] for row in rows} <= {"loaded", "loading"}
    async with asyncio.timeout(60):
        while [each.model for each in await held(client) if each.category == "llm"] != ["first", "first"]:
            await asyncio.sleep(0.02)
        # One that is on its way is listed, too.
        while not all(each.engines for each in (bench, other)):
            await asyncio.sleep(0.02)
    for each in (bench, other):
        assert await asyncio.to_thread(each.host.lanes[Category.LLM].queue.wait_idle, 60)
    return bench, other


async def test_a_load_is_for_both(both: tuple[Bench, Bench]) -> None:
    assert [len(each.engines) for each in both] == [1, 1]


async def test_a_load_for_one_worker_leaves_the_other_as_it_is(bench: Bench, other: Bench) -> None:
    last = (await bench.story(await bench.send(Kind.LOAD, "first", worker=other.host.name)))[-1]
    assert last.type == EventType.COMPLETED
    assert ([engine.model for engine in other.engines], bench.engines) == (["first"], [])


async def test_a_load_for_a_worker_that_has_ended_says_so(bench: Bench) -> None:
    error = await bench.error(await bench.send(Kind.LOAD, "first", worker="laptop.1.abcdef"))
    assert (error.status, error.code) == (404, "worker_not_found")


async def test_an_unload_frees_both_and_says_which(both: tuple[Bench, Bench], client: JobClient) -> None:
    before = await held(client)
    await both[0].story(await both[0].send(Kind.UNLOAD, ""))
    rows = await obeyed(client, Kind.UNLOAD, "llm", "", before)
    names = [each.host.name for each in both]
    assert sorted(rows, key=lambda row: str(row["worker"])) == [
        {"worker": name, "model": "first", "status": "unloaded"} for name in sorted(names)
    ]
    assert [each.engine.closed for each in both] == [True, True]
    again = await obeyed(client, Kind.UNLOAD, "llm", "", await held(client))
    assert {row["status"] for row in again} == {"empty"}


async def test_a_model_that_is_not_meant_stays(both: tuple[Bench, Bench], client: JobClient) -> None:
    before = await held(client)
    await both[0].story(await both[0].send(Kind.UNLOAD, "second"))
    rows = await obeyed(client, Kind.UNLOAD, "llm", "second", before)
    assert {(row["status"], row["model"]) for row in rows} == {("empty", None)}
    assert [each.engine.closed for each in both] == [False, False]


async def test_a_worker_that_is_busy_obeys_when_its_jobs_have_ended(
    both: tuple[Bench, Bench], client: JobClient, clean_redis: redis.Redis
) -> None:
    job_id = await both[0].submit("first", count=10**9)
    await both[0].story(job_id, until=lambda event: event.type == EventType.PROGRESS)
    (busy,) = [each for each in both if each.host.lanes["llm"].queue.executions()]  # type: ignore[index]
    (free,) = [each for each in both if each is not busy]
    before = await held(client)
    await free.story(await free.send(Kind.UNLOAD, "first"))
    rows = {
        row["worker"]: row["status"] for row in await obeyed(client, Kind.UNLOAD, "llm", "first", before, 0.5)
    }
    assert rows == {busy.host.name: "busy", free.host.name: "unloaded"}
    assert not busy.engine.closed

    await client.cancel(job_id)
    rows = {row["worker"]: row["status"] for row in await obeyed(client, Kind.UNLOAD, "llm", "first", before)}
    assert rows == {busy.host.name: "unloaded", free.host.name: "unloaded"}


async def test_rqs_tools_see_who_works_where_and_for_how_long(
    bench: Bench, client: JobClient, clean_redis: redis.Redis
) -> None:
    job_id = await bench.submit("first", count=10**9)
    await bench.story(job_id, until=lambda event: event.type == EventType.PROGRESS)
    bench.host._consumer.beat()
    key = keys.worker(f"{bench.host.name}.llm")
    (lane,) = [each for each in Worker.all(connection=clean_redis) if each.key == key]
    assert lane.total_working_time > 0
    assert lane.ip_address == "127.0.0.1"
    assert lane.hostname

    await client.cancel(job_id)
    await bench.story(job_id)
    assert bench.host.lanes["llm"].queue.wait_idle(10)  # type: ignore[index]
    # Its own beat would tell of an earlier moment, if it were late.
    bench.host._consumer.stop()
    bench.host._consumer._pulse.join(60)
    bench.host._consumer.beat()
    (lane,) = [each for each in Worker.all(connection=clean_redis) if each.key == key]
    worked = lane.total_working_time
    bench.host._consumer.beat()
    (lane,) = [each for each in Worker.all(connection=clean_redis) if each.key == key]
    assert lane.total_working_time == worked
