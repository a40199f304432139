"""A crowd on the few connections of an API process: it waits while Redis answers, and is told when Redis does not."""

import asyncio
import os
import signal
import time

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from jobs.redis.connection import API_CONNECTIONS, async_connection
from tests.private_redis import PrivateRedis

pytestmark = pytest.mark.anyio


async def test_a_crowd_waits_as_long_as_others_get_answers(redis_url: str) -> None:
    async with async_connection(redis_url) as client:
        client.connection_pool.timeout = 1.5  # type: ignore[attr-defined]
        # All together take longer than that, and each of them less.
        crowd = [client.blpop(["nothing"], 0.2) for _ in range(12 * API_CONNECTIONS)]
        assert await asyncio.gather(*crowd) == [None] * len(crowd)


async def test_an_event_loop_that_is_busy_is_no_redis_that_is_gone(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.redis.connection.CONNECT_TIMEOUT", 0.05)
    async with async_connection(redis_url) as client:
        asked = [asyncio.ensure_future(client.ping()) for _ in range(API_CONNECTIONS)]
        for _ in range(10):
            await asyncio.sleep(0)
            time.sleep(0.06)
        assert await asyncio.gather(*asked) == [True] * API_CONNECTIONS


async def test_a_crowd_is_told_when_redis_does_not_answer(
    redis_server: PrivateRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.redis.connection.ANSWER_TIMEOUT", 0.3)
    async with async_connection(redis_server.url) as client:
        os.kill(redis_server.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(60):
                told = await asyncio.gather(
                    *(client.ping() for _ in range(3 * API_CONNECTIONS)), return_exceptions=True
                )
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)
        assert {isinstance(each, RedisError) for each in told} == {True}


async def test_a_connection_that_comes_up_after_the_end_is_closed(redis_url: str) -> None:
    client = async_connection(redis_url)
    asked = asyncio.ensure_future(client.ping())
    while not client.connection_pool._in_use_connections:
        await asyncio.sleep(0)
    await client.aclose()
    await asyncio.gather(asked, return_exceptions=True)
    assert not [each for each in client.connection_pool._available_connections if each.is_connected]


async def test_a_client_is_closed_although_its_task_is_cancelled_twice(redis_url: str) -> None:
    """As happens on a busy machine: see `jobs.tasks.end`."""
    for steps in range(10):
        client = async_connection(redis_url)

        async def use(client: redis.asyncio.Redis = client) -> None:
            async with client:
                await asyncio.gather(client.ping(), client.ping())
                await asyncio.Event().wait()

        using = asyncio.ensure_future(use())
        pool = client.connection_pool
        while len(pool._available_connections) < 2:
            await asyncio.sleep(0)
        using.cancel()
        for _ in range(steps):
            await asyncio.sleep(0)
        using.cancel()
        await asyncio.gather(using, return_exceptions=True)
        assert not [each for each in pool._available_connections if each.is_connected]


async def test_callers_that_leave_take_no_connection_along(redis_url: str) -> None:
    """One leaves while it waits for the only connection, one when it has just been given it."""
    async with async_connection(redis_url, blocking_reads=True) as client:
        pool = client.connection_pool
        only = await pool.get_connection()  # type: ignore[no-untyped-call]
        waits, is_given = (asyncio.ensure_future(client.ping()) for _ in range(2))
        await asyncio.sleep(0)
        waits.cancel()
        await pool.release(only)
        is_given.cancel()
        assert [type(each) for each in await asyncio.gather(waits, is_given, return_exceptions=True)] == [
            asyncio.CancelledError
        ] * 2
        async with asyncio.timeout(60):
            assert await client.ping()
