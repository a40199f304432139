"""Several models of one category: each in a slot of its own while memory holds them, else in turns."""

import asyncio

import pytest

from config.settings import Settings
from jobs.kinds import Category, Kind
from jobs.status import JobStatus
from tests.support.events import EventType, data_of
from tests.support.lanes import Bench, ScriptedEngine
from tests.worker.conftest import StartBench

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Engines that stand still in a step do not keep others from theirs."""
    return settings.model_copy(update={"lanes": "overlap"})


def engine_of(bench: Bench, model: str) -> ScriptedEngine:
    (engine,) = [engine for engine in bench.engines if engine.model == model and not engine.closed]
    return engine


async def runs(bench: Bench, model: str, count: int = 10**9) -> str:
    """A job that runs, and stands still in a step."""
    job_id = await bench.submit(model, count=count)
    await bench.story(job_id, until=lambda event: event.type == EventType.PROGRESS)
    engine_of(bench, model).hold.clear()
    return job_id


async def cancelled(bench: Bench, job_id: str) -> None:
    await bench.client.cancel(job_id)
    for engine in bench.engines:
        engine.hold.set()
    assert (await bench.story(job_id))[-1].type == EventType.CANCELLED


@pytest.mark.parametrize("lanes", ["turns", "overlap"])
async def test_two_models_answer_at_the_same_time(start_bench: StartBench, lanes: str) -> None:
    bench = start_bench(lanes=lanes)
    running = await bench.submit("first", count=10**9)
    await bench.story(running, until=lambda event: event.type == EventType.PROGRESS)
    for _ in range(3):
        end = (await bench.story(await bench.submit("second", count=3)))[-1]
        assert data_of(end)["result"]["counted"] == 3
    assert (await bench.client.info(running)).status is JobStatus.IN_PROGRESS
    await cancelled(bench, running)
    assert (await bench.story(await bench.submit("first")))[-1].type == EventType.COMPLETED
    assert [engine.model for engine in bench.engines] == ["first", "second"]
    (state,) = await bench.client.workers()
    assert {slot.model for slot in state.slots["llm"]} == {"first", "second"}


async def test_the_one_used_least_recently_makes_room_and_never_one_that_generates(bench: Bench) -> None:
    await bench.hold_at_most(2)
    running = await runs(bench, "first")
    await bench.story(await bench.submit("second"))
    idle = engine_of(bench, "second")
    # Used less recently than the idle one, but busy.
    await bench.story(await bench.submit("third"))
    assert idle.closed
    assert not engine_of(bench, "first").closed
    await cancelled(bench, running)
    await bench.story(await bench.submit("second"))
    assert {engine.model for engine in bench.engines if not engine.closed} == {"first", "second"}


async def test_a_load_is_a_use_too(bench: Bench) -> None:
    await bench.hold_at_most(2)
    await bench.story(await bench.submit("first", Category.IMAGE))
    await bench.story(await bench.send(Kind.LOAD, "second"))
    await bench.story(await bench.send(Kind.LOAD, "third"))
    assert [engine.closed for engine in bench.engines] == [True, False, False]


async def test_while_all_generate_a_further_model_waits_in_the_queue(bench: Bench) -> None:
    await bench.hold_at_most(2)
    jobs = [await runs(bench, model) for model in ("first", "second")]
    waiting = await bench.submit("third", count=2)
    # A job for a model in memory goes first.
    engine_of(bench, "second").hold.set()
    assert (await bench.story(await bench.submit("second", count=2)))[-1].type == EventType.COMPLETED
    assert (await bench.client.info(waiting)).position == 1
    await bench.client.cancel(jobs[1])
    assert (await bench.story(waiting))[-1].type == EventType.COMPLETED
    assert not engine_of(bench, "first").closed
    await cancelled(bench, jobs[0])


async def test_a_model_that_the_settings_name_is_not_counted_and_stays(start_bench: StartBench) -> None:
    bench = start_bench(llm_model="first")
    await bench.hold_at_most(1)
    for model in ("second", "first", "third", "first", "second"):
        assert (await bench.story(await bench.submit(model)))[-1].type == EventType.COMPLETED
    assert [engine.model for engine in bench.engines] == ["first", "second", "third", "second"]
    assert [engine.closed for engine in bench.engines] == [False, True, True, False]


async def test_a_model_that_is_kept_stays_and_is_loaded_again_at_the_start(start_bench: StartBench) -> None:
    bench = start_bench()
    await bench.hold_at_most(1)
    await bench.story(await bench.submit("second"))
    await bench.change(kept_models=["second", "not/here"])
    for model in ("first", "third"):
        await bench.story(await bench.submit(model))
    assert [(each.model, each.closed) for each in bench.engines] == [
        ("second", False),
        ("first", True),
        ("third", False),
    ]
    bench.close()

    again = start_bench()
    async with asyncio.timeout(60):
        while not again.engines:
            await asyncio.sleep(0.01)
    await again.change(kept_models=[])
    await again.story(await again.submit("first"))
    assert [(each.model, each.closed) for each in again.engines] == [("second", True), ("first", False)]


async def test_a_model_is_unloaded_by_its_name_while_the_other_generates(bench: Bench) -> None:
    running = await runs(bench, "first")
    await bench.story(await bench.send(Kind.LOAD, "second"))
    second = engine_of(bench, "second")
    unloaded = (await bench.story(await bench.send(Kind.UNLOAD, "second")))[-1]
    assert data_of(unloaded)["result"] == {"status": "unloaded"}
    assert second.closed
    every = await bench.send(Kind.UNLOAD, "")
    assert not engine_of(bench, "first").closed
    await cancelled(bench, running)
    assert (await bench.story(every))[-1].type == EventType.COMPLETED
    assert all(engine.closed for engine in bench.engines)


async def test_all_models_of_a_category_are_unloaded_at_once(bench: Bench) -> None:
    for model in ("first", "second"):
        await bench.story(await bench.submit(model))
    await bench.story(await bench.submit("first", Category.IMAGE))
    assert (await bench.story(await bench.send(Kind.UNLOAD, "")))[-1].type == EventType.COMPLETED
    assert [engine.closed for engine in bench.engines] == [True, True, False]


async def test_each_model_stays_as_long_as_its_own_callers_say(bench: Bench) -> None:
    await bench.story(await bench.submit("first", keep_alive=-1))
    await bench.story(await bench.submit("second", keep_alive=0))
    first, second = bench.engines
    assert await asyncio.to_thread(second.closes.wait, 60)
    assert not first.closed


async def test_an_engine_that_fails_takes_nothing_from_the_other(bench: Bench) -> None:
    running = await runs(bench, "first")
    await bench.story(await bench.submit("second"))
    engine_of(bench, "second").fail_next = RuntimeError("broken")
    assert (await bench.error(await bench.submit("second"))).code == "engine_error"
    assert (await bench.story(await bench.submit("second")))[-1].type == EventType.COMPLETED
    assert (await bench.client.info(running)).status is JobStatus.IN_PROGRESS
    await cancelled(bench, running)
    assert not engine_of(bench, "first").closed


async def test_an_engine_that_hangs_fails_only_its_own_jobs(bench: Bench) -> None:
    await bench.story(await bench.submit("second"))
    running = await bench.submit("first", count=10**9)
    await bench.story(running, until=lambda event: event.type == EventType.PROGRESS)
    engine = engine_of(bench, "second")
    engine.hold.clear()
    engine.stepped.clear()
    hung = await bench.submit("second", count=3)
    assert await asyncio.to_thread(engine.stepped.wait, 60)
    # The steps of the other engine may be late, too.
    bench.impatient(2.5)
    assert await asyncio.to_thread(bench.host.hung.wait, 60)
    bench.host.abandon()
    assert "hung" in (await bench.error(hung)).message
    assert (await bench.client.info(running)).status is JobStatus.QUEUED
