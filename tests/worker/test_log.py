"""The log has one line for each job's end, and its id in every other line that is about it."""

import logging
import re

import pytest
import redis

from jobs.client import JobClient
from jobs.gate import Ending, Gate
from tests.support.events import EventType
from tests.support.jobs import TTL, request
from tests.support.lanes import Bench
from tests.support.payloads import made

pytestmark = pytest.mark.anyio


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def ends(caplog: pytest.LogCaptureFixture, job_id: str) -> list[str]:
    """What the log says of a job's end, without times."""
    said = [each for each in caplog.records if each.name == "jobs.job_log" and job_id in each.getMessage()]
    return [re.sub(r"=\d+\.\d{3}\b", "=0", each.getMessage().replace(job_id, "ID")) for each in said]


async def test_a_lane_writes_one_line_for_each_end(
    bench: Bench, client: JobClient, caplog: pytest.LogCaptureFixture
) -> None:
    done = request(model="first", payload={"count": 2}, app="curl\nERROR fake line")
    await client.enqueue(done)
    await bench.story(done.id)
    refused = await bench.submit("first", refuse=True)
    await bench.story(refused)
    running = await bench.submit("first", count=10**9)
    await bench.story(running, until=lambda event: event.type == EventType.PROGRESS)
    await client.cancel(running)
    await bench.story(running)
    bench.engine.fail_next = RuntimeError("a secret")
    failed = await bench.submit("first", count=5)
    await bench.story(failed)
    bench.host.drain()

    common = "app=curl?ERROR?fake?line kind=chat model=first waited=0 ran=0"
    assert ends(caplog, done.id) == [f"job ID completed: {common}"]
    assert ends(caplog, refused) == [
        "job ID failed: kind=chat model=first waited=0 status=400 code=context_length_exceeded"
    ]
    assert ends(caplog, running) == ["job ID cancelled: kind=chat model=first waited=0 ran=0"]
    assert ends(caplog, failed) == [
        "job ID failed: kind=chat model=first waited=0 ran=0 status=500 code=engine_error"
    ]
    levels = {each.levelname for each in caplog.records if failed in each.getMessage()}
    assert levels == {"WARNING"}


async def test_tokens_are_counted_and_paths_are_not_told(
    clean_redis: redis.Redis, client: JobClient, caplog: pytest.LogCaptureFixture
) -> None:
    from jobs.job_log import log_end

    log_end(
        "chatcmpl-1",
        "completed",
        model="/home/user/models/mine",
        tokens=(7, 3),
    )
    assert ends(caplog, "chatcmpl-1") == ["job ID completed: model=mine tokens_in=7 tokens_out=3"]


async def test_ends_that_no_lane_sees_are_told_too(
    clean_redis: redis.Redis, client: JobClient, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(clean_redis, "llm", "worker-1", TTL)
    waiting = (await client.enqueue(request(app="editor"))).job_id
    await client.cancel(waiting)
    assert ends(caplog, waiting) == ["job ID cancelled: app=editor kind=chat model=org/tiny waited=0"]

    late = (await client.enqueue(request(expires_in=-1.0))).job_id
    gate.claim([(job_id, "execution-1") for job_id in gate.take(1) or ()])
    assert ends(caplog, late) == ["job ID expired: -"]

    crashed = (await client.enqueue(request())).job_id
    for outcome in ([], ["job ID failed: status=500 code=worker_died"]):
        assert gate.claim([(job_id, "execution-1") for job_id in gate.take(1) or ()])
        clean_redis.zadd("rq:wip:llm", {f"{crashed}:execution-1": 1})
        gate.recover(max_attempts=2)
        assert ends(caplog, crashed) == outcome
    assert [each for each in caplog.messages if crashed in each and "goes back" in each]


async def test_an_end_that_was_lost_is_not_told(
    bench: Bench, client: JobClient, clean_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await bench.submit("first", count=10**9)
    await bench.story(job_id, until=lambda event: event.type == EventType.PROGRESS)
    (execution,) = [each for _, each in bench.host.lanes["llm"].queue.executions()]  # type: ignore[index]
    clean_redis.zrem("rq:wip:llm", f"{job_id}:{execution}")
    bench.host.lanes["llm"].queue.put([Ending(job_id, execution, made({}))])  # type: ignore[index]
    assert bench.host.lanes["llm"].queue.wait_idle(10)  # type: ignore[index]
    assert ends(caplog, job_id) == []
