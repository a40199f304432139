"""Watches joined workers: sends those away whose key was revoked, and brings back the jobs of those that are gone.

Where the server has no worker of its own, it also deletes what has expired.

A worker that falls silent may sleep, or its network may be gone: its jobs run elsewhere once their leases have ended,
and are not suspected of anything. One whose process ended closes its connections: that may be a job's fault.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from typing import Any

import redis
from redis.exceptions import RedisError

from config.settings import Settings
from jobs import keys
from jobs.blobs import blob_store
from jobs.consumer.joined import no_fault_of
from jobs.consumer.machine import machine_of
from jobs.consumer.step_record import last_steps
from jobs.gate import BEAT, PATIENCE, Gate, LastStep, Ttl
from jobs.housekeeping import Housekeeping
from jobs.redis.clock import CLOCK, set_clock_async
from jobs.redis.connection import async_connection, connection
from jobs.tasks import end
from mlxq.gateway.command_rules import CATEGORIES
from mlxq.gateway.commands import pass_on
from mlxq.gateway.guard import KNOWN, Guard
from mlxq.gateway.redis_side import RedisSide
from mlxq.gateway.sessions import Joined

log = logging.getLogger(__name__)

#: Seconds of silence after which the connections of a worker are closed.
_SILENT = 60.0
_RETRY = 0.5


class Watch:
    """Call `start`, then `close`."""

    def __init__(self, guard: Guard) -> None:
        self.side = RedisSide(guard, self._left)
        self._guard = guard
        self._settings = guard.settings
        self._recovery = Recovery(guard.settings)
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._gone: list[Joined] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._listen())]

    async def close(self) -> None:
        await end(*self._tasks)
        await self.side.close()
        self._recovery.close()

    def _left(self, joined: Joined) -> None:
        self._gone.append(joined)
        self._news.set()

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except (RedisError, OSError) as error:
                self._recovery.be_patient()
                log.warning("joined workers are not watched: %s", type(error).__name__)
            except Exception:  # workers must be watched whatever happens
                log.exception("a look at joined workers failed")
            try:
                async with asyncio.timeout(BEAT):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()

    async def _look(self) -> None:
        """Raises RedisError."""
        gone, self._gone = self._gone, []
        sessions = [worker.joined for worker in self.side.workers.values()]
        client = self._guard.redis
        await set_clock_async(client)
        now = CLOCK.now()
        async with client.pipeline(transaction=False) as pipe:
            for joined in sessions:
                pipe.set(keys.joined(joined.worker), joined.key, ex=KNOWN)
                pipe.zadd(keys.JOINED, {joined.worker: now + KNOWN})
                pipe.hexists(keys.JOIN_KEYS, joined.key)
            for joined in gone:
                if joined.worker not in self.side.workers:
                    pipe.zrem(keys.JOINED, joined.worker)
                    # It is not silent, it has ended: that may be a job's fault.
                    for category in CATEGORIES:
                        pipe.hdel(keys.worker(f"{joined.worker}.{category}"), "mlxq_machine")
            pipe.zremrangebyscore(keys.JOINED, "-inf", now)
            answers = await pipe.execute()
        valid = answers[2 : 3 * len(sessions) : 3]
        revoked = [joined for joined, is_valid in zip(sessions, valid, strict=True) if not is_valid]
        if revoked:
            self.side.send_away(revoked)
            log.warning("%d workers were sent away: their key was revoked", len(revoked))
        silent = [
            worker.joined
            for worker in self.side.workers.values()
            if time.monotonic() - worker.heard > _SILENT
        ]
        self.side.send_away(silent)
        await asyncio.to_thread(self._recovery.run, [joined.worker for joined in revoked])
        await asyncio.to_thread(self._recovery.tidy)

    async def _listen(self) -> None:
        """Revocations and commands as they are told. What is lost here is seen by the next look and beat."""
        while True:
            try:
                async with (
                    async_connection(self._settings.redis_address, blocking_reads=True) as client,
                    client.pubsub(ignore_subscribe_messages=True) as channel,
                ):
                    await channel.subscribe(keys.GATEWAY, keys.COMMANDS)
                    async for message in channel.listen():
                        if message["channel"] == keys.GATEWAY:
                            self._news.set()
                        else:
                            await pass_on(self._guard.redis, self.side.workers, message["data"])
            except (RedisError, OSError):
                await asyncio.sleep(_RETRY)
            except Exception:  # one message must not end all
                log.exception("a command could not be passed on")
                await asyncio.sleep(_RETRY)


class Recovery:
    """Brings back the jobs of workers that are gone, also where no worker of this machine does. For one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis: redis.Redis = connection(settings.redis_address)
        self._machine = machine_of(settings.data_dir)
        self.be_patient()
        ttl = Ttl.of(settings)
        self._gates = [Gate(self._redis, category, "gateway", ttl) for category in CATEGORIES]
        self._housekeeping = Housekeeping(
            self._redis, ttl.result, blob_store(settings), self._gates[0].relieve
        )

    def be_patient(self) -> None:
        """Workers could not renew their leases: they get the time to do so."""
        self._patient_until = time.monotonic() + PATIENCE

    def run(self, revoked: Collection[str]) -> None:
        """`revoked`: workers whose jobs go back at once. Raises RedisError."""
        patient = time.monotonic() < self._patient_until
        if patient and not revoked:
            return
        steps = {**last_steps(self._settings.step_folder), **no_fault_of(self._redis, CATEGORIES)}
        for gate in self._gates:
            dead = [f"{worker}.{gate.queue}" for worker in revoked]
            requeued, failed = gate.recover(
                self._settings.max_attempts,
                dead,
                {**steps, **{name: LastStep() for name in dead}},
                self._machine,
                patient=patient,
            )
            if requeued or failed:
                log.warning("recovered the %s queue: %d jobs again, %d failed", gate.queue, requeued, failed)

    def tidy(self) -> None:
        """What a worker of this machine does besides, where there is none. Raises RedisError."""
        if self._has_worker():
            return
        for gate in self._gates:
            gate.sweep()
        self._housekeeping.run()

    def _has_worker(self) -> bool:
        names: Any = self._redis.smembers(keys.WORKER_STATES)
        with self._redis.pipeline(transaction=False) as pipe:
            for name in (each.decode(errors="replace") for each in names):
                pipe.exists(keys.worker_state(name))
                pipe.exists(keys.joined(name))
            found = pipe.execute() if names else []
        return any(lives and not joined for lives, joined in zip(found[::2], found[1::2], strict=True))

    def close(self) -> None:
        self._housekeeping.close(_RETRY)
        self._redis.close()
