"""A Redis whose user may not do all: the start and /health say what it lacks, and nobody waits for ever."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redis

from jobs import bus, keys
from jobs.client import JobClient
from jobs.errors import RedisDenied
from jobs.gate import Ending, Gate
from jobs.redis import permissions
from jobs.redis.connection import connection
from jobs.redis.permissions import PROBES, check, is_denied
from tests.private_redis import PrivateRedis
from tests.support.jobs import TTL, request, waiting
from tests.support.payloads import made

pytestmark = pytest.mark.anyio

ALL = ("~*", "&*", "+@all")
#: What hosts of managed Redises do not let their customers do.
CAREFUL = ("-info", "-client", "-config", "-keys", "-scan", "-acl", "-debug")


@pytest.fixture
def user(clean_redis: redis.Redis, redis_url: str) -> Iterator[Callable[..., str]]:
    """Sets the rights of a user and returns its address."""

    def allow(*rights: str) -> str:
        clean_redis.execute_command("ACL", "SETUSER", "careful", "reset", "on", ">secret", *rights)  # type: ignore[no-untyped-call]
        return redis_url.replace("unix://", "unix://careful:secret@")

    yield allow
    clean_redis.execute_command("ACL", "DELUSER", "careful")  # type: ignore[no-untyped-call]


@pytest.fixture
async def start(user: Callable[..., str]) -> AsyncIterator[Callable[..., "asyncio.Future[JobClient]"]]:
    clients: list[JobClient] = []

    async def begin(*rights: str) -> JobClient:
        clients.append(JobClient(user(*rights), queue_limit=9, ttl=TTL))
        await clients[-1].start()
        return clients[-1]

    yield begin  # type: ignore[misc]
    for client in clients:
        await client.stop()


async def test_jobs_run_without_the_commands_that_are_not_needed(
    user: Callable[..., str], start: Callable[..., "asyncio.Future[JobClient]"]
) -> None:
    client = await start(*ALL, *CAREFUL)
    assert await client.denied() is None
    worker = connection(user(*ALL, *CAREFUL), name="feeder")
    lane = Gate(worker, "llm", "worker-1", TTL)
    async with client.submit(request()) as (_, watch):
        (job_id,) = await asyncio.to_thread(lane.take, 1) or [""]
        assert lane.claim([(job_id, "execution-1")])
        lane.write([], [Ending(job_id, "execution-1", made({"text": "done"}))])
        events = [await watch.next(5), await watch.next(5)]
    assert [event and event.type for event in events] == ["started", "completed"]
    assert lane.relieve() == 0
    with pytest.raises(redis.RedisError) as refused:
        lane.stop_waiting("feeder")
    assert is_denied(refused.value)


@pytest.mark.parametrize("command", ["evalsha", "blmove", "xadd", "publish", "subscribe", "hset", "exec"])
def test_a_missing_command_is_named(command: str, user: Callable[..., str]) -> None:
    denied = check(connection(user(*ALL, f"-{command}")))
    assert denied.commands == (command.upper(),)
    assert command.upper() in str(denied)


def test_missing_keys_and_channels_are_named(user: Callable[..., str]) -> None:
    denied = check(connection(user("~mlxq:*", "&*", "+@all")))
    assert (denied.keys, denied.channels, denied.commands) == (True, False, ())
    denied = check(connection(user("~*", "resetchannels", "&other", "+@all")))
    assert (denied.keys, denied.channels, denied.commands) == (False, True, ())


def test_who_may_do_all_lacks_nothing_and_the_check_leaves_nothing(clean_redis: redis.Redis) -> None:
    assert not check(clean_redis)
    assert clean_redis.keys("*") == []


def test_a_redis_whose_disk_is_full_is_told_as_that(clean_redis: redis.Redis) -> None:
    refused = redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device")
    answers: list[object] = [refused, *[True] * (len(PROBES) - 1)]
    assert "disk" in str(permissions._denied(answers, None))


async def test_a_replica_is_told_as_that(redis_server: PrivateRedis) -> None:
    with redis.Redis.from_url(redis_server.url) as direct:
        direct.execute_command("REPLICAOF", "127.0.0.1", "1")
    client = JobClient(redis_server.url, queue_limit=9, ttl=TTL)
    await client.start()
    try:
        with pytest.raises(RedisDenied, match="replica"):
            await client.enqueue(request())
        assert "REDIS_URL has to name its primary" in str(await client.denied())
    finally:
        await client.stop()


def test_every_command_of_a_script_is_tried() -> None:
    text = "".join(path.read_text() for path in Path(keys.__file__).parent.rglob("*.lua"))
    called = set(re.findall(r"\bp?call\('(\w+)'", text)) - {"INFO"}
    assert called - {command[0] for command in PROBES} == set()


async def test_a_lost_permission_is_no_lost_connection(
    user: Callable[..., str],
    start: Callable[..., "asyncio.Future[JobClient]"],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bus, "SILENCE", 0.1)
    monkeypatch.setattr(bus, "TICK", 0.05)
    client = await start(*ALL)
    async with client.submit(request()) as (_, watch):
        user(*ALL, "-evalsha", "-eval")
        with pytest.raises(RedisDenied) as told:
            await watch.next(10)
    assert "EVALSHA" in told.value.message
    with pytest.raises(RedisDenied):
        await client.enqueue(request())


async def test_a_script_that_calls_what_is_forbidden_is_told_as_that(
    start: Callable[..., "asyncio.Future[JobClient]"], clean_redis: redis.Redis
) -> None:
    client = await start(*ALL, "-zadd")
    with pytest.raises(RedisDenied):
        await client.enqueue(request())
    assert "ZADD" in str(await client.denied())
    assert waiting(clean_redis) == []
