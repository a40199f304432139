"""What ends a job that takes too long: no progress for a while, or, where it is set, the time of the whole run."""

import time

import pytest

from jobs.errors import MlxqError
from jobs.kinds import Kind
from jobs.status import JobStatus
from tests.support.events import EventType
from tests.support.lanes import Bench
from worker.engines.base import Output

pytestmark = pytest.mark.anyio

#: Seconds without progress that end a job here, and those of a step: a job of many steps runs for much longer.
LIMIT, PACE, MANY = 0.2, 0.02, 40


class Clock:
    """Time that passes with the steps of an engine alone, however late their thread is."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
async def paced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """With a loaded model whose steps take a while."""
    await bench.story(await bench.submit())
    clock, step = Clock(), bench.engine.step
    for module in ("running", "task"):
        monkeypatch.setattr(f"worker.{module}.time", clock)

    def paced() -> list[Output]:
        outputs = step()
        clock.now += PACE
        return outputs

    monkeypatch.setattr(bench.engine, "step", paced)
    return bench


async def send(bench: Bench, **payload: object) -> str:
    return await bench.send(Kind.CHAT, "first", payload=payload, timeout=LIMIT)


def facts(error: MlxqError) -> tuple[int, str | None, bool]:
    return error.status, error.code, "CHAT_TIMEOUT" in error.message


async def test_a_job_that_goes_on_outlives_its_limit(paced: Bench) -> None:
    assert (await paced.story(await send(paced, count=MANY)))[-1].type == EventType.COMPLETED


async def test_a_prompt_that_is_read_goes_on(paced: Bench) -> None:
    assert (await paced.story(await send(paced, reads=MANY)))[-1].type == EventType.COMPLETED


@pytest.mark.parametrize("made", [0, 3])
async def test_a_job_that_stalls_ends(paced: Bench, made: int) -> None:
    error = await paced.error(await send(paced, count=10, silent_after=made))
    assert facts(error) == (504, "timeout", True)
    assert paced.engine.tasks == {}


async def test_a_job_that_waits_for_others_of_its_model_has_not_stalled(paced: Bench) -> None:
    paced.engine.hold.clear()
    long, waits = await send(paced, count=MANY), await send(paced, last=True)
    paced.engine.hold.set()
    assert (await paced.story(waits))[-1].type == EventType.COMPLETED
    assert (await paced.client.info(long)).status is JobStatus.COMPLETED


async def test_a_job_that_stalls_while_others_go_on_ends(paced: Bench) -> None:
    goes_on = await send(paced, count=10**9)
    error = await paced.error(await send(paced, count=10, silent_after=3))
    assert facts(error) == (504, "timeout", True)
    assert (await paced.client.info(goes_on)).status is JobStatus.IN_PROGRESS
    await paced.client.cancel(goes_on)


async def test_a_run_may_be_bounded_as_a_whole_and_waiting_does_not_count(paced: Bench) -> None:
    paced.engine.hold.clear()
    slow = await paced.send(Kind.CHAT, "first", payload={"count": 10**9}, max_run_time=0.3)
    paced.engine.hold.set()
    error = await paced.error(slow)
    assert (error.status, error.code) == (504, "timeout")
    assert "MAX_RUN_TIME" in error.message
    assert paced.engine.tasks == {}
