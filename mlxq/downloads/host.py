"""DownloadHost: the process that fetches models. It runs some downloads at a time on one event loop.

This module knows downloads. Leases, commands and registration are `jobs.consumer`'s, whose threads call in here. A
stop puts running downloads back into their queue: they continue later from where they were.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

from redis.exceptions import RedisError

from config.settings import Settings
from jobs.consumer.consumer import Consumer
from jobs.consumer.execution import Execution
from jobs.errors import EngineFailure, MlxqError
from jobs.events import ProgressState
from jobs.gate import Ending
from jobs.kinds import DOWNLOADS
from jobs.payloads import DownloadPayload
from jobs.results import DownloadResult
from mlxq.downloads import demand
from mlxq.downloads.defaults import fetch_defaults
from mlxq.downloads.store import clear_trash

log = logging.getLogger(__name__)

#: Deaths of this process that one download may see. A download does not cause them: it is a bound against loops.
MAX_CRASHES = 50
#: Threads for each download.
READERS = 8
#: Seconds that each thread may take to end.
_PATIENCE = 1.0


@dataclass(eq=False)
class Running:
    """A running download. `stopped`: why it was stopped before its end."""

    execution: Execution
    task: "asyncio.Task[None] | None" = None
    stopped: "Stop | None" = None


#: The job was cancelled, belongs to another process now, or goes back to its queue.
Stop = Literal["cancelled", "lost", "back"]


class DownloadHost:
    """Call `run` once, on an event loop."""

    def __init__(self, settings: Settings, quiet: float | None = None) -> None:
        """`quiet`: seconds without a download after which `run` ends by itself; None: never."""
        self._settings = settings
        self._quiet = quiet
        self._consumer = Consumer(settings, self, MAX_CRASHES)
        self._queue = self._consumer.consume(DOWNLOADS, settings.downloads, self)
        self._running: dict[str, Running] = {}
        #: when the models that the settings name had been looked for, on the monotonic clock
        self._looked_at: float | None = None

    @property
    def asked(self) -> str | None:
        """SHUTDOWN or RESTART after that command."""
        return self._consumer.asked

    @property
    def idle_since(self) -> float | None:
        """Since when there is nothing to fetch, on the monotonic clock; None while there is."""
        idle = self._queue.idle_since
        return None if idle is None or self._looked_at is None else max(idle, self._looked_at)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Waits for Redis."""
        self._loop, self._stop = asyncio.get_running_loop(), stop
        # Hashing files must not keep other work waiting.
        self._loop.set_default_executor(ThreadPoolExecutor(8 + READERS * self._settings.downloads))
        stopped = threading.Event()
        watch = asyncio.create_task(_pass_on(stop, stopped))
        if not await asyncio.to_thread(self._connect, stopped):
            await watch
            return
        await asyncio.to_thread(self._consumer.start)
        log.info("ready: %s", DOWNLOADS)
        work = [asyncio.create_task(self._fetch_defaults()), asyncio.create_task(self._end_when_quiet())]
        await stop.wait()
        for task in work:
            task.cancel()
        await asyncio.to_thread(self._consumer.stop_taking)
        await self._put_back()
        self._consumer.stop()
        await asyncio.to_thread(self._close)
        await asyncio.gather(*work, watch, return_exceptions=True)
        log.info("drained")

    # -- called by the consumer's threads ----------------------------------------------------------------------------

    def accept(self, execution: Execution) -> None:
        self._loop.call_soon_threadsafe(self._begin, execution)

    def cancel(self, execution_id: str) -> None:
        self._loop.call_soon_threadsafe(self._stop_one, execution_id, "cancelled")

    def linger(self, execution_id: str, lingers: bool) -> None:
        """A download goes on in any case."""

    def drop(self, execution_id: str) -> None:
        self._loop.call_soon_threadsafe(self._stop_one, execution_id, "lost")

    def ended(self, execution: Execution, ending: Ending) -> None:
        """Nothing is kept of a download that has ended."""

    def hangs(self) -> bool:
        return False

    def on_beat(self) -> None:
        """Nothing is published of this process."""

    def on_command(self, verb: str, argument: str) -> None:
        if self.asked is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    # -- coming and going --------------------------------------------------------------------------------------------

    def _connect(self, stopped: threading.Event) -> bool:
        if not self._consumer.connect(stopped):
            return False
        clear_trash([self._settings.hub_cache, *self._settings.model_roots])
        return True

    async def _fetch_defaults(self) -> None:
        try:
            await fetch_defaults(self._settings)
        finally:
            self._looked_at = time.monotonic()

    async def _end_when_quiet(self) -> None:
        """A job that comes meanwhile stays in its queue: this process is started for it again."""
        if self._quiet is None:
            return
        while not self._is_quiet(self._quiet) or await asyncio.to_thread(self._is_wanted):
            await asyncio.sleep(min(1.0, self._quiet / 4))
        log.info("nothing was fetched for %g s", self._quiet)
        self._stop.set()

    def _is_quiet(self, seconds: float) -> bool:
        since = self.idle_since
        return since is not None and time.monotonic() - since >= seconds

    def _is_wanted(self) -> bool:
        """On a busy machine a job may have come before it could be taken. Redis may be away."""
        try:
            return demand.exists(self._consumer.redis)
        except (RedisError, OSError):
            return True

    async def _put_back(self) -> None:
        """Stop every running download, and put its job back at the front of the queue, the oldest first."""
        running = list(self._running.values())
        for each in running:
            self._stop_one(each.execution.id, "back")
        await asyncio.gather(*(each.task for each in running if each.task), return_exceptions=True)
        for each in reversed(running):
            if each.stopped == "back":
                await _quietly(partial(self._queue.release, each.execution.id))

    def _close(self) -> None:
        self._queue.close(_PATIENCE)
        self._consumer.close()

    # -- downloads ---------------------------------------------------------------------------------------------------

    def _begin(self, execution: Execution) -> None:
        execution.began = time.monotonic()
        running = Running(execution)
        self._running[execution.id] = running
        running.task = asyncio.create_task(self._work(running))
        running.task.add_done_callback(lambda _: self._end(running))

    async def _work(self, running: Running) -> None:
        """One download, to the end of its job."""
        # Most of the time nothing is fetched: the hub's library is imported when it is needed.
        from mlxq.downloads.download import download

        claim = running.execution.claim
        log.info("fetching %s", claim.model)
        result: DownloadResult | None = None
        error: MlxqError | None = None
        try:
            assert isinstance(claim.payload, DownloadPayload)
            result = await download(
                self._settings,
                claim.model,
                claim.payload.source,
                lambda state: self._report(running, state),
            )
        except MlxqError as failure:
            error = failure
        except Exception as failure:
            log.exception("%s could not be fetched", claim.model)
            error = EngineFailure(f"The download failed ({type(failure).__name__}).")
        if error is not None:
            log.warning("%s", error.message)
        self._queue.put([Ending(claim.job_id, claim.execution_id, result=result, error=error)])

    async def _report(self, running: Running, state: ProgressState) -> None:
        """Report progress. What Redis misses is in the next report."""
        await _quietly(lambda: self._queue.progress(running.execution.id, state))

    def _stop_one(self, execution_id: str, why: Stop) -> None:
        running = self._running.get(execution_id)
        if running is not None and running.task is not None and running.stopped is None:
            running.stopped = why
            running.task.cancel()

    def _end(self, running: Running) -> None:
        """The task of a download is over, also when it was stopped before it began."""
        execution = running.execution
        del self._running[execution.id]
        if running.task is None or not running.task.cancelled():
            running.stopped = None
        elif running.stopped == "cancelled":
            self._queue.put([Ending(execution.claim.job_id, execution.id)])
        elif running.stopped == "lost":
            self._queue.forget(execution.id)


async def _pass_on(stop: asyncio.Event, stopped: threading.Event) -> None:
    await stop.wait()
    stopped.set()


async def _quietly(work: Callable[[], object]) -> None:
    try:
        await asyncio.to_thread(work)
    except (RedisError, OSError) as error:
        log.debug("Redis is away (%s)", type(error).__name__)
