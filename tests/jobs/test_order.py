"""Who goes first: classes, what has waited for long, apps by their time; and what users change of it."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from config.settings import Settings
from jobs import keys
from jobs.client import JobClient
from jobs.errors import Conflict, EngineFailure, JobNotFound, QueueFull
from jobs.gate import Change, Ending, Gate, ModelAffinity, Room
from jobs.kinds import QUEUES
from jobs.queue.order import order
from jobs.queue.waits import WaitsFor
from jobs.service_class import CLASSES, ServiceClass
from mlxq.downloads.request import download_request
from tests.support.jobs import TTL, request, waiting
from tests.support.payloads import made

pytestmark = pytest.mark.anyio

INTERACTIVE, NORMAL, BACKGROUND = CLASSES


@pytest.fixture
def gate(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, "llm", "worker-1", TTL)


@pytest.fixture
async def client(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[JobClient]:
    jobs = JobClient(redis_url, queue_limit=200, ttl=TTL)
    yield jobs
    await jobs.redis.aclose()
    await jobs.bus.stop()


async def submit(
    client: JobClient, number: int = 1, service_class: ServiceClass = NORMAL, app: str = "app", **more: Any
) -> list[str]:
    jobs = [request(service_class=service_class, share=app, **more) for _ in range(number)]
    for job in jobs:
        await client.enqueue(job)
    return [job.id for job in jobs]


def take(gate: Gate, most: int = 1) -> list[str]:
    """Take and claim. The execution of a job is named like it."""
    taken = gate.take(1, most) or []
    assert len(gate.claim([(job_id, f"run-{job_id}") for job_id in taken])) == len(taken)
    return taken


def end(gate: Gate, job_id: str, ran: float = 0) -> None:
    """As if it had run for so many seconds."""
    gate._redis.hset(keys.job(job_id), "mlxq_ran_ms", int((time.time() - ran) * 1000))
    gate.write([], [Ending(job_id, f"run-{job_id}", made({}))])


def came(connection: redis.Redis, job_ids: list[str], seconds_ago: float) -> None:
    """As if these had waited for so long."""
    for job_id in job_ids:
        for each in CLASSES:
            score = (time.time() - seconds_ago) * 1000
            connection.zadd(keys.waiting("llm", each), {job_id: score}, xx=True)


async def test_the_most_urgent_class_goes_first_whatever_came_before(client: JobClient, gate: Gate) -> None:
    background = await submit(client, 100, BACKGROUND)
    normal = await submit(client, 1, NORMAL)
    (interactive,) = await submit(client, 1, INTERACTIVE)
    assert (await client.info(interactive)).position == 1
    assert (await client.info(background[0])).position == 3
    assert take(gate, 4) == [interactive, *normal, *background[:2]]


async def test_what_has_waited_for_long_takes_turns_with_what_is_more_urgent(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    old = await submit(client, 3, BACKGROUND)
    urgent = await submit(client, 4, INTERACTIVE)
    assert take(gate) == urgent[:1]
    came(clean_redis, old[:2], seconds_ago=301)
    # As long as one of them has waited for so long, its class has every second start.
    assert [take(gate)[0] for _ in range(4)] == [old[0], urgent[1], old[1], urgent[2]]
    assert [take(gate)[0] for _ in range(2)] == [urgent[3], old[2]]


async def test_the_bound_is_a_setting(client: JobClient, clean_redis: redis.Redis) -> None:
    patient = Gate(clean_redis, "llm", "worker-1", TTL, aging=1000)
    old = await submit(client, 1, NORMAL)
    urgent = await submit(client, 1, INTERACTIVE)
    came(clean_redis, old, seconds_ago=900)
    assert take(patient) == urgent


async def test_one_job_of_an_app_waits_for_no_more_than_two_of_a_hundred(
    client: JobClient, gate: Gate
) -> None:
    many = await submit(client, 100, app="many")
    assert take(gate) == many[:1]
    (one,) = await submit(client, 1, app="one")
    assert (await client.info(one)).position == 1
    before = 0
    while take(gate) != [one]:
        before += 1
    assert before <= 2


async def test_apps_get_equal_time_not_equal_numbers(client: JobClient, gate: Gate) -> None:
    """One slot: whose jobs run ten times as long has a tenth as many."""
    long, short = await submit(client, 20, app="long"), await submit(client, 150, app="short")
    seconds = {**dict.fromkeys(long, 10.0), **dict.fromkeys(short, 1.0)}
    app = {**dict.fromkeys(long, "long"), **dict.fromkeys(short, "short")}
    spent: Counter[str] = Counter()
    while sum(spent.values()) < 200:
        (job_id,) = take(gate)
        end(gate, job_id, seconds[job_id])
        spent[app[job_id]] += int(seconds[job_id])
    assert abs(spent["long"] - spent["short"]) <= 0.1 * spent.total()


async def test_time_counts_while_a_job_runs(client: JobClient, gate: Gate, clean_redis: redis.Redis) -> None:
    """Else an app with long jobs would get every place that is free meanwhile."""
    (long,) = await submit(client, 1, app="long")
    take(gate)
    await submit(client, 3, app="long")
    short = await submit(client, 3, app="short")
    clean_redis.hset(keys.job(long), "mlxq_ran_ms", int((time.time() - 30) * 1000))
    gate.beat([(long, f"run-{long}")])
    assert take(gate, 3) == short


async def test_an_app_that_was_away_has_saved_nothing(client: JobClient, gate: Gate) -> None:
    """It has its turn at once, and then no more than others."""
    busy = await submit(client, 30, app="busy")
    for _ in range(20):
        (job_id,) = take(gate)
        end(gate, job_id, ran=5)
    back = await submit(client, 10, app="back")
    taken = []
    for _ in range(6):
        taken += take(gate)
        end(gate, taken[-1], ran=5)
    assert taken[0] == back[0]
    assert len(set(taken) & set(busy)) in (2, 3)


async def test_what_goes_first_for_its_model_does_not_overtake_what_is_more_urgent(
    client: JobClient, gate: Gate
) -> None:
    await submit(client, 5, BACKGROUND, model="org/loaded")
    (normal,) = await submit(client, 1, NORMAL, model="org/loaded")
    (urgent,) = await submit(client, 1, INTERACTIVE, model="org/other")
    (ready,) = await submit(client, 1, INTERACTIVE, model="org/loaded")
    patient = ModelAffinity(
        ["org/loaded"],
        ["org/loaded"],
        int(time.time() * 1000),
        60_000,
        asked="org/other",
        room=Room.LATER,
    )
    assert gate.take(1, 8, lambda _: patient) == [ready]
    assert waiting(gate._redis)[:2] == [urgent, normal]


async def test_a_full_queue_displaces_the_newest_background_job(
    redis_url: str, clean_redis: redis.Redis
) -> None:
    client = JobClient(redis_url, queue_limit=3, ttl=TTL)
    old, new = [*await submit(client, 1, BACKGROUND, "a"), *await submit(client, 1, BACKGROUND, "b")]
    await submit(client, 1, INTERACTIVE)
    with pytest.raises(QueueFull):
        await submit(client, 1, BACKGROUND)
    (urgent,) = await submit(client, 1, INTERACTIVE)
    displaced = await client.info(new, with_result=True)
    assert displaced.error is not None
    assert (displaced.error.status, displaced.error.code, displaced.error.retryable) == (
        429,
        "displaced",
        True,
    )
    assert await order(client.redis, "llm") == [*waiting(clean_redis)[:2], old]
    await submit(client, 1, NORMAL)
    with pytest.raises(QueueFull):
        await submit(client, 1, INTERACTIVE)
    assert clean_redis.zcard(keys.failed("llm")) == 2
    assert urgent in waiting(clean_redis)
    await client.redis.aclose()
    await client.bus.stop()


async def test_a_paused_queue_starts_nothing_and_takes_everything(client: JobClient, gate: Gate) -> None:
    await client.control.pause("llm")
    (first,) = await submit(client, 1, INTERACTIVE)
    assert gate.take(1) == []
    info = await client.info(first)
    assert (info.position, info.waits_for) == (1, WaitsFor.PAUSED)
    stats = await client.stats()
    assert (stats["llm"].paused, stats["llm"].waiting, stats["image"].paused) == (True, 1, False)
    await client.control.resume("llm")
    assert take(gate) == [first]


async def test_a_class_can_be_paused_alone(client: JobClient, gate: Gate) -> None:
    await client.control.pause(None, BACKGROUND)
    background = await submit(client, 1, BACKGROUND)
    normal = await submit(client, 1, NORMAL)
    assert take(gate, 5) == normal
    assert (await client.stats())["llm"].paused_classes == [BACKGROUND]
    await client.control.resume("llm")
    assert take(gate) == background
    await client.control.pause()
    assert all(queue.paused for queue in (await client.stats()).values())
    await client.control.resume()
    assert await client.paused() == set()


async def test_a_worker_that_rests_takes_no_background_jobs(
    client: JobClient, clean_redis: redis.Redis
) -> None:
    """What it leaves is taken by another worker, and by itself later. A pause of the user is another matter."""
    rests = [True]
    resting = Gate(clean_redis, "llm", "resting", TTL, rests=lambda: rests[0])
    first, second, third = await submit(client, 3, BACKGROUND)
    came(clean_redis, [first], seconds_ago=301)
    others = [*await submit(client, 1, INTERACTIVE), *await submit(client, 1, NORMAL)]
    assert take(resting, 5) == others
    assert resting.take(1, 5) == []
    assert await client.paused() == set()
    assert take(Gate(clean_redis, "llm", "working", TTL)) == [first]
    rests[0] = False
    await client.control.pause("llm", BACKGROUND)
    assert resting.take(1, 5) == []
    await client.control.resume("llm")
    assert take(resting, 5) == [second, third]


@pytest.mark.parametrize("paused", [False, True])
async def test_background_jobs_that_may_not_start_are_not_displaced(
    redis_url: str, clean_redis: redis.Redis, paused: bool
) -> None:
    """They count among themselves, and all others as if they were not there."""
    client = JobClient(redis_url, queue_limit=3, ttl=TTL)
    if paused:
        await client.control.pause("llm", BACKGROUND)
    else:
        clean_redis.set(keys.RESTING, "worker", ex=60)
    background = await submit(client, 3, BACKGROUND)
    await submit(client, 3, INTERACTIVE)
    for service_class in (INTERACTIVE, BACKGROUND):
        with pytest.raises(QueueFull):
            await submit(client, 1, service_class)
    assert {*background} < {*waiting(clean_redis)}
    assert len(waiting(clean_redis)) == 6
    await client.redis.aclose()
    await client.bus.stop()


async def test_a_held_job_does_not_start_and_returns_to_its_place(client: JobClient, gate: Gate) -> None:
    first, second, third = await submit(client, 3)
    await client.control.change(first, Change.HOLD)
    await client.control.change(second, Change.HOLD)
    info = await client.info(second)
    assert (info.position, info.waits_for) == (None, WaitsFor.HELD)
    assert (await client.stats())["llm"].waiting == 3
    await client.control.change(second, Change.RELEASE)
    assert await order(client.redis, "llm") == [second, third]
    assert take(gate, 5) == [second, third]
    await client.cancel(first)
    with pytest.raises(Conflict, match="cancelled"):
        await client.control.change(first, Change.RELEASE)
    with pytest.raises(Conflict, match="in_progress"):
        await client.control.change(second, Change.HOLD)
    with pytest.raises(JobNotFound):
        await client.control.change("nothing", Change.HOLD)


async def test_jobs_are_moved_and_change_their_class(client: JobClient, gate: Gate) -> None:
    first, second, third = await submit(client, 3, app="a")
    (other,) = await submit(client, 1, app="b")
    await client.control.change(third, Change.UP)
    assert await order(client.redis, "llm") == [first, other, third, second]
    await client.control.change(second, Change.FRONT)
    assert [(await client.info(each)).position for each in (second, first, other, third)] == [1, 2, 3, 4]
    await client.control.change(first, Change.CLASS, BACKGROUND)
    await client.control.change(third, Change.CLASS, INTERACTIVE)
    assert (await client.info(third)).service_class is INTERACTIVE
    expected = [third, second, other, first]
    assert await order(client.redis, "llm") == waiting(gate._redis) == expected
    assert take(gate, 5) == expected


async def test_what_goes_back_to_its_queue_goes_first_in_its_class(client: JobClient, gate: Gate) -> None:
    one, two = await submit(client, 2, BACKGROUND, app="a")
    assert take(gate, 2) == [one, two]
    await submit(client, 1, BACKGROUND, app="b")
    (urgent,) = await submit(client, 1, INTERACTIVE)
    for job_id in (two, one):
        assert gate.release(job_id, f"run-{job_id}")
    assert take(gate, 3) == [urgent, one, two]


async def test_rqs_own_queues_hold_what_waits_and_no_more(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    async def counted() -> bool:
        """Whether RQ and mlxq count alike, by queue and by class."""
        queues = {queue.name: queue.count for queue in Queue.all(clean_redis, serializer=JSONSerializer)}
        stats = await client.stats()
        for name in QUEUES:
            mine = {each: n for each, n in queues.items() if each.split(":")[0] == name}
            assert sum(mine.values()) == stats[name].waiting
            for each in CLASSES:
                of_class = [n for queue, n in mine.items() if queue.split(":")[1:2] == [each]]
                assert sum(of_class) == stats[name].classes[each]
        assert all(count for name, count in queues.items() if ":" in name), "an empty line is no queue"
        return True

    for app in ("a", "b"):
        for each in CLASSES:
            await submit(client, 2, each, app)
    assert await counted()
    first, *_ = take(gate, 3)
    assert await counted()
    gate.release(first, f"run-{first}")
    assert await counted()
    for job_id in await order(client.redis, "llm"):
        await client.cancel(job_id)
        assert await counted()
    assert [queue.name for queue in Queue.all(clean_redis)] == ["llm"]


async def test_rq_and_the_stats_agree_at_every_stage(client: JobClient, clean_redis: redis.Redis) -> None:
    """Also while jobs are paused, held, kept for the night or wait for a download."""
    rests = [True]
    gate = Gate(clean_redis, "llm", "worker-1", TTL, rests=lambda: rests[0])
    queue = Queue("llm", connection=clean_redis, serializer=JSONSerializer)

    async def agree(*expected: int) -> None:
        lines = [each for each in Queue.all(clean_redis, serializer=JSONSerializer) if each.name[:3] == "llm"]
        counted = (
            sum(each.count for each in lines) + queue.deferred_job_registry.count,
            queue.started_job_registry.count,
            queue.finished_job_registry.count,
            queue.failed_job_registry.count,
            queue.canceled_job_registry.count,
        )
        stats = (await client.stats())["llm"]
        told = (stats.waiting, stats.running, stats.finished, stats.failed, stats.cancelled)
        assert counted == told == expected

    await client.control.pause("llm")
    background, held, first, second = [
        *await submit(client, 1, BACKGROUND),
        *await submit(client, 2),
        *await submit(client, 1, INTERACTIVE),
    ]
    (fetched,) = await submit(client, needs=download_request(Settings(), "org/other"), model="org/other")
    assert gate.take(1, 9) == []
    await agree(5, 0, 0, 0, 0)
    await client.control.change(held, Change.HOLD)
    await agree(5, 0, 0, 0, 0)
    await client.control.resume()
    assert take(gate, 9) == [second, first]
    await agree(3, 2, 0, 0, 0)
    end(gate, first)
    gate.write([], [Ending(second, f"run-{second}", error=EngineFailure("It broke."))])
    await agree(3, 0, 1, 1, 0)
    await client.cancel(held)
    await agree(2, 0, 1, 1, 1)
    rests[0] = False
    assert take(gate, 9) == [background]
    assert gate.release(background, f"run-{background}")
    await agree(2, 0, 1, 1, 1)
    await client.cancel(fetched)
    await agree(1, 0, 1, 1, 2)


async def test_a_job_that_rqs_tools_queue_again_joins_its_line(
    client: JobClient, gate: Gate, clean_redis: redis.Redis
) -> None:
    await submit(client, 1, BACKGROUND)
    (again,) = await submit(client, 1, INTERACTIVE)
    clean_redis.lrem(keys.line("llm", INTERACTIVE, "app"), 1, again)
    Queue("llm", connection=clean_redis, serializer=JSONSerializer).push_job_id(again)
    assert (await client.stats())["llm"].waiting >= 2
    assert take(gate) == [again]
