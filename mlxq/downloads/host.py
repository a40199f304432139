"""DownloadHost: takes downloads off their queue and runs some at a time, with leases as the models' lanes have.

One event loop runs the downloads; what asks Redis goes through threads. A stop puts running downloads back at once:
they go on from where they were.
"""

import asyncio
import logging
import os
import secrets
import socket
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from config.settings import Settings
from jobs import keys
from jobs.commands import RESTART, SHUTDOWN
from jobs.connection import async_connection, connection
from jobs.consumer.outbox import Outbox
from jobs.consumer.registration import Registration, dead_workers
from jobs.errors import EngineFailure, MlxqError
from jobs.events import ProgressState
from jobs.gate import BEAT, Ending, Gate, Ttl
from jobs.job_log import log_execution
from jobs.kinds import DOWNLOADS
from jobs.permissions import check
from jobs.request import Claim
from mlxq.downloads.defaults import fetch_defaults
from mlxq.downloads.store import clear_trash

log = logging.getLogger(__name__)

#: Deaths of this process that one download may see. It does not cause them: it is a bound against runaways.
MAX_CRASHES = 50
#: Seconds that one look at the queue may block, and seconds to wait for Redis.
TAKE, PAUSE = 1, 0.2
#: Threads for each download.
READERS = 8


@dataclass(eq=False)
class Running:
    claim: Claim
    task: "asyncio.Task[None]"
    #: on the monotonic clock
    began: float = field(default_factory=time.monotonic)
    #: why it was cancelled: its job is `cancelled`, `lost` to another worker, or to be put `back`
    end: str = ""


class DownloadHost:
    """Call `run` once, on an event loop."""

    def __init__(self, settings: Settings, quiet: float | None = None) -> None:
        """`quiet`: seconds without a download after which `run` ends by itself; None: never."""
        self._settings, self._quiet = settings, quiet
        self._name = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(3)}.{DOWNLOADS}"
        self._feeder = f"{self._name}.feeder"
        ttl = Ttl(int(settings.result_ttl), int(settings.events_ttl))
        self._redis = connection(settings.redis_address)
        feeder = connection(settings.redis_address, name=self._feeder)
        self._gate = Gate(self._redis, DOWNLOADS, self._name, ttl)
        self._feeder_gate = Gate(feeder, DOWNLOADS, self._name, ttl)
        self._registration = Registration(self._redis, DOWNLOADS, self._name)
        self._outbox = Outbox(self._gate, self._on_lost, self._on_ended)
        self._room = asyncio.Semaphore(settings.downloads)
        self._running: dict[str, Running] = {}
        self._finished = self._failed = 0
        #: SHUTDOWN or RESTART when somebody wants that
        self.asked: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Waits for Redis, saying so once."""
        self._loop, self._stop = asyncio.get_running_loop(), stop
        # Files that are read for their hashes must not keep the pulse waiting.
        self._loop.set_default_executor(ThreadPoolExecutor(8 + READERS * self._settings.downloads))
        if not await self._wait_for_redis(stop):
            return
        await asyncio.to_thread(self._begin)
        self._outbox.start()
        log.info("ready: %s", DOWNLOADS)
        pulse, listener, feeder, defaults = (
            asyncio.create_task(work)
            for work in (self._beat_on(), self._listen(), self._feed(), fetch_defaults(self._settings))
        )
        rest = asyncio.create_task(self._end_when_quiet(defaults))
        await stop.wait()
        for task in (listener, defaults, rest):
            task.cancel()
        await self._stop_taking(feeder)
        await self._put_back()
        pulse.cancel()
        await asyncio.gather(pulse, listener, defaults, rest, return_exceptions=True)
        await asyncio.to_thread(self._end)
        log.info("drained")

    # -- coming and going ----------------------------------------------------------------------------------------

    async def _wait_for_redis(self, stop: asyncio.Event) -> bool:
        warned, told = False, ""
        while not stop.is_set():
            try:
                denied = await asyncio.to_thread(check, self._redis)
                if not denied:
                    return True
                if str(denied) != told:
                    log.error("%s", denied)
                    told = str(denied)
                await asyncio.sleep(1.0)
            except (RedisError, OSError) as error:
                if not warned:
                    log.warning(
                        "waiting for Redis at %s (%s)", self._settings.redis_label, type(error).__name__
                    )
                    warned = True
                await asyncio.sleep(PAUSE)
        return False

    async def _end_when_quiet(self, defaults: "asyncio.Task[None]") -> None:
        """A job that comes meanwhile stays in the queue: the worker asks for this process again."""
        if self._quiet is None:
            return
        await asyncio.wait([defaults])
        since = time.monotonic()
        while time.monotonic() - since < self._quiet:
            await asyncio.sleep(min(1.0, self._quiet / 4))
            if self._running:
                since = time.monotonic()
        log.info("nothing was fetched for %g s", self._quiet)
        self._stop.set()

    def _begin(self) -> None:
        clear_trash([self._settings.hub_cache, *self._settings.model_roots])
        self._recover(dead_workers(self._redis, [DOWNLOADS]))
        self._registration.register()

    def _recover(self, dead: list[str]) -> None:
        requeued, failed = self._gate.recover(MAX_CRASHES, dead)
        if requeued or failed:
            log.warning("recovered the download queue: %d jobs again, %d failed", requeued, failed)

    async def _stop_taking(self, feeder: "asyncio.Task[None]") -> None:
        self._stopping = True
        self._room.release()
        await self._quietly(lambda: self._gate.stop_waiting(self._feeder))
        await asyncio.wait([feeder], timeout=TAKE + 1)

    async def _put_back(self) -> None:
        """Every running download goes back to the front of the queue, in its order."""
        running = list(self._running.items())
        for execution_id in dict(running):
            self._leave(execution_id, "back")
        await asyncio.gather(*(each.task for _, each in running), return_exceptions=True)
        for execution_id, each in reversed(running):
            if each.end == "back":
                await self._quietly(partial(self._gate.release, each.claim.job_id, execution_id))

    def _end(self) -> None:
        self._outbox.stop(1.0)
        try:
            self._registration.unregister()
        except (RedisError, OSError):
            log.error("Redis is away: running downloads will be recovered by the next process")

    # -- the pulse -----------------------------------------------------------------------------------------------

    async def _beat_on(self) -> None:
        while True:
            await self._quietly(self._beat)
            await asyncio.sleep(BEAT)

    def _beat(self) -> None:
        executions = [(each.claim.job_id, execution) for execution, each in list(self._running.items())]
        lost, cancelled = self._gate.beat(executions)
        for execution_id in lost:
            self._on_lost(execution_id)
        for execution_id in cancelled:
            self._loop.call_soon_threadsafe(self._leave, execution_id, "cancelled")
        self._registration.beat(busy=bool(executions), finished=self._finished, failed=self._failed)
        self._recover([])

    async def _listen(self) -> None:
        """Cancellations as they are published; the pulse finds those that this misses."""
        async with async_connection(self._settings.redis_address, blocking_reads=True) as listening:
            while True:
                try:
                    async with listening.pubsub(ignore_subscribe_messages=True) as channel:
                        await channel.subscribe(keys.COMMANDS)
                        async for message in channel.listen():
                            self._obey(str(message["data"]))
                except (RedisError, OSError):
                    await asyncio.sleep(PAUSE)

    def _obey(self, command: str) -> None:
        verb, _, job_id = command.partition(" ")
        if verb in (SHUTDOWN, RESTART):
            self.asked = verb
            self._stop.set()
        if verb == "cancel":
            for execution_id, each in list(self._running.items()):
                if each.claim.job_id == job_id:
                    self._leave(execution_id, "cancelled")

    # -- downloads -----------------------------------------------------------------------------------------------

    _stopping = False

    async def _feed(self) -> None:
        away = False
        while True:
            await self._room.acquire()
            if self._stopping:
                return
            claims: list[Claim] = []
            try:
                claims = await asyncio.to_thread(self._take)
                away = False
            except (RedisError, OSError) as error:
                if not away:
                    log.warning("the downloads lost Redis (%s)", type(error).__name__)
                away = True
                await asyncio.sleep(PAUSE)
            if not claims:
                self._room.release()
            for claim in claims:
                task = asyncio.create_task(self._work(claim))
                self._running[claim.execution_id] = Running(claim, task)

    def _take(self) -> list[Claim]:
        taken = self._feeder_gate.take(TAKE)
        if not taken:
            return []
        if self._stopping:
            self._feeder_gate.put_back(taken)
            return []
        return self._feeder_gate.claim([(job_id, uuid.uuid4().hex) for job_id in taken])

    async def _work(self, claim: Claim) -> None:
        """One download, to the end of its job."""
        # The hub's library is there only when it is needed: most of the time nothing is fetched.
        from mlxq.downloads.download import download

        log.info("fetching %s", claim.model)
        result: dict[str, Any] | None = None
        error: MlxqError | None = None
        try:
            result = await download(
                self._settings,
                claim.model,
                str(claim.payload["source"]),
                lambda state: self._report(claim, state),
            )
        except asyncio.CancelledError:
            if self._running[claim.execution_id].end != "cancelled":
                self._forget(claim.execution_id)
                return
        except MlxqError as failure:
            error = failure
        except Exception as failure:
            log.exception("%s could not be fetched", claim.model)
            error = EngineFailure(f"The download failed ({type(failure).__name__}).")
        if error is not None:
            log.warning("%s", error.message)
            self._failed += 1
        else:
            self._finished += 1
        self._outbox.put([Ending(claim.job_id, claim.execution_id, result=result, error=error)])

    async def _report(self, claim: Claim, state: ProgressState) -> None:
        """Progress is told as far as Redis listens: the next report says it better."""
        await self._quietly(lambda: self._gate.progress(claim.job_id, claim.execution_id, state))

    def _leave(self, execution_id: str, end: str) -> None:
        running = self._running.get(execution_id)
        if running is not None and not running.task.done() and not running.end:
            running.end = end
            running.task.cancel()

    def _on_lost(self, execution_id: str) -> None:
        self._loop.call_soon_threadsafe(self._leave, execution_id, "lost")

    def _on_ended(self, ending: Ending, lost: bool) -> None:
        running = self._running.get(ending.execution_id)
        if running is not None and not lost:
            ran = time.monotonic() - running.began
            log_execution(running.claim, ran, result=ending.result, error=ending.error)
        self._loop.call_soon_threadsafe(self._forget, ending.execution_id)

    def _forget(self, execution_id: str) -> None:
        if self._running.pop(execution_id, None) is not None:
            self._room.release()

    @staticmethod
    async def _quietly(work: Callable[[], object]) -> None:
        try:
            await asyncio.to_thread(work)
        except (RedisError, OSError) as error:
            log.debug("Redis is away (%s)", type(error).__name__)
