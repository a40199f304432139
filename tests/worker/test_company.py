"""A step that is about several jobs fails or hangs: nobody knows whose fault it is, and each runs again alone."""

import asyncio

import pytest

from jobs.status import JobStatus
from tests.support.events import EventType, data_of
from tests.support.lanes import Bench

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("error", [RuntimeError("broken"), MemoryError()])
async def test_after_a_step_that_failed_all_are_answered_each_alone(bench: Bench, error: Exception) -> None:
    await bench.story(await bench.submit())
    bench.engine.wanted = 3
    bench.fail_steps.append(error)
    jobs = [await bench.submit(count=3) for _ in range(3)]
    for job_id in jobs:
        story = await bench.story(job_id)
        assert story[-1].type == EventType.COMPLETED
        assert data_of(story[-1])["result"]["counted"] == 3
    assert bench.engines[0].company[-1] == 3
    assert bench.engine.company == [1] * 9


async def test_the_one_whose_fault_it_was_fails_and_the_others_do_not(bench: Bench) -> None:
    await bench.story(await bench.submit())
    bench.engine.wanted = 3
    # In company, and alone: the first one that runs again is the culprit.
    bench.fail_steps += [RuntimeError("broken"), RuntimeError("broken")]
    jobs = [await bench.submit(count=3) for _ in range(3)]
    ends = [(await bench.story(job_id))[-1].type for job_id in jobs]
    assert sorted(ends) == [EventType.COMPLETED, EventType.COMPLETED, EventType.FAILED]


async def test_jobs_whose_engine_hangs_go_back_to_run_alone(bench: Bench) -> None:
    await bench.story(await bench.submit())
    bench.engine.wanted = 2
    bench.engine.hold.clear()
    bench.engine.stepped.clear()
    jobs = [await bench.submit(count=3) for _ in range(2)]
    assert await asyncio.to_thread(bench.engine.stepped.wait, 60)
    bench.impatient()
    assert await asyncio.to_thread(bench.host.hung.wait, 60)
    bench.host.abandon()
    for job_id in jobs:
        assert (await bench.client.info(job_id)).status is JobStatus.QUEUED
    bench.engine.hold.set()
