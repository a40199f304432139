"""Lanes under engines that misbehave: a scripted engine behind the real gate, on real Redis."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from jobs import keys
from jobs.client import JobClient
from jobs.errors import EngineFailure
from jobs.events import Entry
from jobs.kinds import Category, Kind
from jobs.status import JobStatus
from tests.support.events import EventType, data_of
from tests.support.lanes import Bench
from tests.support.payloads import made
from tests.worker.conftest import StartBench
from worker.engines.base import Done, Failed, Output

pytestmark = pytest.mark.anyio


def texts(events: list[Entry]) -> str:
    return "".join(data_of(event)["text"] for event in events if event.type == EventType.DELTA)


async def test_a_job_is_loaded_run_and_told_step_by_step(bench: Bench) -> None:
    events = await bench.story(await bench.submit(count=3))
    assert [event.type for event in events[:2]] == ["started", "loading"]
    assert texts(events) == "1 2 3 "
    assert [data_of(e)["done"] for e in events if e.type == EventType.PROGRESS][-1] == 3
    result = data_of(events[-1])["result"]
    assert (result["model"], result["counted"]) == ("first", 3)
    assert result["load_seconds"] > 0
    assert result["run_seconds"] > 0


async def test_an_engine_that_gains_by_company_waits_for_it(bench: Bench) -> None:
    await bench.story(await bench.submit())
    bench.engine.company.clear()
    bench.engine.wanted = 3
    jobs = [await bench.submit(count=2) for _ in range(3)]
    for job_id in jobs:
        assert (await bench.story(job_id))[-1].type == EventType.COMPLETED
    assert bench.engine.company == [3, 3]


async def test_a_job_that_waits_for_company_can_be_cancelled(bench: Bench, client: JobClient) -> None:
    await bench.story(await bench.submit())
    bench.engine.company.clear()
    bench.engine.wanted = 2
    job_id = await bench.submit(count=2)
    await bench.story(job_id, until=lambda event: event.type == "started")
    await client.cancel(job_id)
    assert (await bench.story(job_id))[-1].type == EventType.CANCELLED
    assert bench.engine.company == []


async def test_a_request_the_engine_refuses_fails_alone(bench: Bench) -> None:
    running = await bench.submit(count=200)
    refused = await bench.error(await bench.submit(refuse=True))
    assert (refused.status, refused.code, refused.param) == (400, "context_length_exceeded", "messages")
    assert data_of((await bench.story(running))[-1])["result"]["counted"] == 200


async def test_an_exception_in_the_engine_is_an_error_without_the_users_paths(bench: Bench) -> None:
    error = await bench.error(await bench.submit(explode=True))
    assert (error.status, error.code) == (500, "engine_error")
    assert "secret" not in error.message
    assert (await bench.story(await bench.submit()))[-1].type == EventType.COMPLETED


async def test_an_engine_that_raises_in_a_step_fails_its_jobs_and_the_lane_lives_on(bench: Bench) -> None:
    await bench.story(await bench.submit())
    bench.engine.hold.clear()
    job_id = await bench.submit(count=5)
    bench.engine.fail_next = RuntimeError("metal /secret")
    bench.engine.hold.set()
    error = await bench.error(job_id)
    assert error.status == 500
    assert "secret" not in error.message
    assert (await bench.story(await bench.submit()))[-1].type == EventType.COMPLETED


async def test_a_failed_task_does_not_touch_its_neighbours(bench: Bench) -> None:
    await bench.story(await bench.submit())
    engine = bench.engine
    original = engine.step

    def step() -> list[Output]:
        outputs = original()
        for task_id, state in list(engine.tasks.items()):
            if state == [2, 13]:
                engine.remove(task_id)
                return [*outputs, Failed(task_id, EngineFailure("unlucky"))]
        return outputs

    engine.step = step  # type: ignore[method-assign]
    unlucky, lucky = await bench.submit(count=13), await bench.submit(count=20)
    assert (await bench.error(unlucky)).message == "unlucky"
    assert data_of((await bench.story(lucky))[-1])["result"]["counted"] == 20


async def test_cancelling_stops_the_engine_within_one_step(bench: Bench) -> None:
    job_id = await bench.submit(count=10**9)
    await bench.story(job_id, until=lambda event: event.type == EventType.DELTA)
    assert await bench.client.cancel(job_id) is JobStatus.IN_PROGRESS
    events = await bench.story(job_id)
    assert events[-1].type == EventType.CANCELLED
    assert bench.engine.tasks == {}
    assert (await bench.client.info(job_id)).status is JobStatus.CANCELLED


async def test_a_cancellation_that_pubsub_lost_is_seen_at_the_next_beat(
    bench: Bench, clean_redis: redis.Redis
) -> None:
    job_id = await bench.submit(count=10**9)
    await bench.story(job_id, until=lambda event: event.type == EventType.DELTA)
    clean_redis.hset(keys.job(job_id), "mlxq_cancel", "1")
    assert (await bench.story(job_id))[-1].type == EventType.CANCELLED


async def test_a_model_that_does_not_load_says_so_and_the_slot_is_free_for_another(bench: Bench) -> None:
    bench.fail_load = True
    error = await bench.error(await bench.submit())
    assert (error.status, error.code) == (500, "engine_error")
    assert "secret" not in error.message
    bench.fail_load = False
    assert data_of((await bench.story(await bench.submit("second")))[-1])["result"]["model"] == "second"


async def test_an_unknown_model_is_404(bench: Bench) -> None:
    error = await bench.error(await bench.submit("never-heard-of"))
    assert (error.status, error.code) == (404, "model_not_found")


async def test_a_switch_waits_for_the_running_batch_and_without_patience_keeps_the_order(
    start_bench: StartBench,
) -> None:
    bench = start_bench(switch_patience=0)
    await bench.hold_at_most(1)
    long = await bench.submit("first", count=300)
    await bench.story(long, until=lambda event: event.type == EventType.DELTA)
    other = await bench.submit("second", count=2)
    behind = await bench.submit("first", count=2)
    results = [(await bench.story(job_id))[-1] for job_id in (long, other, behind)]
    assert [data_of(result)["result"]["model"] for result in results] == ["first", "second", "first"]
    assert [result.id for result in results] == sorted(result.id for result in results)
    assert [engine.model for engine in bench.engines] == ["first", "second", "first"]
    assert [engine.closed for engine in bench.engines] == [True, True, False]
    assert [engine.unfinished for engine in bench.engines] == [0, 0, 0]


@pytest.mark.parametrize("category", [Category.LLM, Category.IMAGE])
async def test_forty_interleaved_jobs_for_two_models_take_few_switches(
    bench: Bench, category: Category
) -> None:
    await bench.hold_at_most(1)
    bench.hold_load.clear()
    jobs = [await bench.submit(model, category, count=2) for _ in range(20) for model in ("first", "second")]
    bench.hold_load.set()
    ends = [(await bench.story(job_id))[-1] for job_id in jobs]
    assert [data_of(end)["result"]["model"] for end in ends] == ["first", "second"] * 20
    assert len(bench.engines) <= 3


async def test_who_waits_for_another_model_does_not_wait_for_ever(start_bench: StartBench) -> None:
    bench = start_bench(switch_patience=0.3)
    await bench.hold_at_most(1)
    running = await bench.submit("first", count=2)
    await bench.story(running)
    other = await bench.submit("second", count=1)
    passed = 0
    # A program that always has one more job for the loaded model in the queue.
    following = [await bench.submit("first", count=200), await bench.submit("first", count=200)]
    while not (await bench.client.info(other)).status.terminal:
        await bench.story(following[passed])
        following.append(await bench.submit("first", count=200))
        passed += 1
    assert passed >= 1
    assert (await bench.story(other))[-1].type == EventType.COMPLETED


async def test_while_the_head_waits_for_the_slot_the_rest_waits_in_the_queue(
    bench: Bench, clean_redis: redis.Redis
) -> None:
    await bench.hold_at_most(1)
    await bench.story(await bench.submit("first"))
    bench.engine.hold.clear()
    running = await bench.submit("first", count=3)
    await bench.story(running, until=lambda event: event.type == EventType.STARTED)
    others = [await bench.submit("second", count=1) for _ in range(10)]
    bench.engine.hold.set()
    for job_id in [running, *others]:
        assert (await bench.story(job_id))[-1].type == EventType.COMPLETED


async def test_load_and_unload_are_jobs_too(bench: Bench) -> None:
    loaded = (await bench.story(await bench.send(Kind.LOAD, "second")))[-1]
    result = data_of(loaded)["result"]
    assert (result["status"], result["model"]) == ("loaded", "second")
    assert result["load_seconds"] > 0
    unloaded = (await bench.story(await bench.send(Kind.UNLOAD, "")))[-1]
    assert data_of(unloaded)["result"] == {"status": "unloaded"}
    assert bench.engine.closed


async def test_a_long_picture_does_not_hold_up_a_chat(bench: Bench) -> None:
    picture = await bench.submit("first", Category.IMAGE, count=10**9)
    await bench.story(picture, until=lambda event: event.type == EventType.PROGRESS)
    assert (await bench.story(await bench.submit("second", count=3)))[-1].type == EventType.COMPLETED
    assert (await bench.client.info(picture)).status is JobStatus.IN_PROGRESS
    await bench.client.cancel(picture)
    assert (await bench.story(picture))[-1].type == EventType.CANCELLED


async def test_a_lane_of_one_takes_one_job_at_a_time(bench: Bench) -> None:
    first = await bench.submit("first", Category.IMAGE, count=10**9)
    second = await bench.submit("first", Category.IMAGE, count=1)
    await bench.story(first, until=lambda event: event.type == EventType.PROGRESS)
    assert (await bench.client.info(second)).position == 1
    await bench.client.cancel(first)
    assert (await bench.story(second))[-1].type == EventType.COMPLETED


async def test_an_engine_that_hangs_is_noticed_and_only_its_job_fails(bench: Bench) -> None:
    await bench.story(await bench.submit("first"))
    bench.engine.hold.clear()
    bench.engine.stepped.clear()
    hung = await bench.submit("first", count=3)
    assert await _wait(bench.engine.stepped)
    behind = await bench.submit("second")
    bench.impatient()
    assert await _wait(bench.host.hung)
    bench.host.abandon()

    error = await bench.error(hung)
    assert error.code == "engine_error"
    assert "hung" in error.message
    assert (await bench.client.info(behind)).status is JobStatus.QUEUED
    bench.engine.hold.set()


async def test_draining_puts_back_what_does_not_end_in_time(bench: Bench) -> None:
    await bench.hold_at_most(1)
    job_id = await bench.submit("first", count=10**9)
    waiting = await bench.submit("second")
    await bench.story(job_id, until=lambda event: event.type == EventType.DELTA)
    await _in_thread(bench.host.drain)
    for each in (job_id, waiting):
        assert (await bench.client.info(each)).status is JobStatus.QUEUED
    assert (await bench.client.info(job_id)).position == 1
    assert await bench.client.workers() == []


async def test_the_worker_says_what_it_holds(bench: Bench) -> None:
    await bench.story(await bench.submit("first"))
    await _in_thread(bench.host._consumer.beat)
    (state,) = await bench.client.workers()
    assert state.engines == ("llm", "image")
    assert [(slot.model, slot.state) for slot in state.slots["llm"]] == [("first", "loaded")]
    assert [slot.state for slot in state.slots["image"]] == ["empty"]


async def _wait(event: threading.Event) -> bool:
    return bool(await _in_thread(lambda: event.wait(60)))


async def _in_thread(function: Callable[[], Any]) -> Any:
    import anyio.to_thread

    return await anyio.to_thread.run_sync(function)


async def test_a_result_that_can_not_be_written_fails_its_job_and_nothing_else(bench: Bench) -> None:
    await bench.story(await bench.submit())
    engine = bench.engine
    original = engine.step

    def step() -> list[Output]:
        return [
            Done(output.task_id, made({"unwritable": object()})) if isinstance(output, Done) else output
            for output in original()
        ]

    engine.step = step  # type: ignore[method-assign]
    error = await bench.error(await bench.submit(count=2))
    assert error.code == "engine_error"
    engine.step = original  # type: ignore[method-assign]
    assert (await bench.story(await bench.submit()))[-1].type == EventType.COMPLETED


async def test_a_foreign_job_in_the_queue_fails_and_the_lane_goes_on(
    bench: Bench, clean_redis: redis.Redis
) -> None:
    """Somebody enqueues a function of their own with RQ."""
    queue = Queue("llm", connection=clean_redis, serializer=JSONSerializer)
    foreign = queue.enqueue("os.getcwd")
    assert (await bench.story(await bench.submit()))[-1].type == EventType.COMPLETED
    # Both may have been taken together, and nobody tells of the end of a foreign one.
    with anyio.fail_after(60):
        while foreign.get_status() != "failed":
            await anyio.sleep(0.01)


async def test_a_model_that_never_loads_fails_the_job_that_wants_it_not_those_behind(bench: Bench) -> None:
    bench.hold_load.clear()
    unlucky = await bench.submit("first")
    behind = await bench.submit("second")
    await bench.story(unlucky, until=lambda event: event.type == EventType.LOADING)
    bench.impatient()
    assert await _wait(bench.host.hung)
    bench.host.abandon()
    error = await bench.error(unlucky)
    assert (error.status, error.code) == (504, "timeout")
    assert (await bench.client.info(behind)).status is JobStatus.QUEUED
