"""A job that waits for the slot is told as waiting, and one whose model is loaded as loading."""

import pytest

from api.dispatch.job_object import job_object
from api.dispatch.renderers import Renderers
from api.openai.dialect import OPENAI
from config.settings import Settings
from jobs.client import JobClient
from jobs.info import JobInfo
from jobs.kinds import Kind
from jobs.status import JobStatus
from tests.support.events import EventType
from tests.support.lanes import Bench

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Nobody waits for another model's jobs: a switch begins as soon as it is wanted."""
    return settings.model_copy(update={"switch_patience": 0})


async def shown(client: JobClient, job_id: str) -> dict[str, object]:
    info: JobInfo = await client.info(job_id)
    return dict(job_object("http://here/", Renderers((), OPENAI), info))


@pytest.mark.parametrize("kind", [Kind.CHAT, Kind.LOAD, Kind.UNLOAD])
async def test_who_needs_the_slot_of_a_running_job_waits_in_the_queue(
    kind: Kind, bench: Bench, client: JobClient
) -> None:
    await bench.hold_at_most(1)
    running = await bench.submit("first", count=10**9)
    await bench.story(running, until=lambda event: event.type == EventType.PROGRESS)
    other = await bench.send(kind, "" if kind is Kind.UNLOAD else "second", payload={"count": 2})
    behind = await bench.submit("first", count=1)
    # Two looks of the feeder at the queue.
    for _ in range(2):
        await _goes_on(client, running)
        job = await shown(client, other)
        assert (job["status"], job["position"], job["loading"]) == ("queued", 1, False)
        assert job["timings"]["run_seconds"] is None  # type: ignore[index]
        assert (await shown(client, behind))["position"] == 2
        stats = (await client.stats())["llm"]
        assert (stats.running, stats.waiting) == (1, 2)
        assert [info.id for info in await client.waiting()] == [other, behind]

    await client.cancel(running)
    story = await bench.story(other)
    assert story[-1].type == EventType.COMPLETED
    assert (await bench.story(behind))[-1].type == EventType.COMPLETED


async def _goes_on(client: JobClient, job_id: str) -> None:
    """Return when a running job has made so many steps that a feeder which may take something would have."""
    before: int | None = None
    while True:
        info = await client.info(job_id)
        assert info.status is JobStatus.IN_PROGRESS
        done = info.progress.done if info.progress else 0
        before = done if before is None else before
        if done > before + 200:
            return


async def test_a_job_whose_model_is_loaded_is_loading_and_its_run_begins_after(
    bench: Bench, client: JobClient
) -> None:
    bench.hold_load.clear()
    job_id = await bench.submit("first", count=2)
    await bench.story(job_id, until=lambda event: event.type == EventType.LOADING)
    job = await shown(client, job_id)
    assert (job["status"], job["loading"], job["position"]) == ("in_progress", True, None)
    bench.hold_load.set()
    story = await bench.story(job_id)
    types = [event.type for event in story]
    assert types[:3] == [EventType.STARTED, EventType.LOADING, EventType.LOADED]

    told = await shown(client, job_id)
    timings = told["timings"]
    assert isinstance(timings, dict)
    assert told["loading"] is False
    assert timings["loading_seconds"] > 0
    whole = timings["ended_at"] - timings["started_at"]
    assert timings["loading_seconds"] + timings["run_seconds"] == pytest.approx(whole, abs=0.01)

    again = await bench.submit("first", count=2)
    assert EventType.LOADED not in [event.type for event in await bench.story(again)]
