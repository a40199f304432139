"""Drives the open batches: each is driven by one API process, and by another one when that dies.

A process holds a batch by a lease, as workers hold jobs. What it writes after it has lost one is refused.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from functools import partial

from fastapi import FastAPI
from redis.exceptions import RedisError

from api.batches.batching import Batching
from api.batches.drive import TROUBLE, Drive
from jobs.batches import BatchStore, Lost
from jobs.batches.store import LEASE
from jobs.client import JobClient
from jobs.files import FileStore
from jobs.tasks import Lookout, end

log = logging.getLogger(__name__)

#: Seconds between two looks for batches while some are open, and while none are: the bus tells of new ones.
_LOOK, _RARELY = 1.0, 5.0
#: Seconds before a drive that failed begins anew: more each time for our mistakes.
_AGAIN, _LONGEST = 0.5, 60.0
#: Batches that a process drives at the same time.
_MOST = 8
#: Seconds between two looks for what has expired.
_SWEEP = 30.0


class BatchDriver:
    """Of one process, on its event loop. Start it and stop it with the application."""

    def __init__(self, app: FastAPI, jobs: JobClient) -> None:
        self._app, self._jobs = app, jobs
        self._batching: Batching = app.state.batching
        self._store, self._files = BatchStore(jobs.redis), FileStore(jobs.redis)
        self._token = secrets.token_hex(8)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._swept = time.monotonic()
        self._lookout = Lookout(self._look, "batches", soon=_LOOK)

    def start(self) -> None:
        self._batching.tell = self._lookout.tell
        self._jobs.bus.on_news("batches", self._lookout.tell)
        self._lookout.start()

    async def stop(self) -> None:
        """Another process may drive these batches at once."""
        await self._lookout.stop()
        held = dict(self._tasks)
        await end(*held.values())
        for batch_id in held:
            with contextlib.suppress(RedisError, OSError):
                await self._store.release(batch_id, self._token)

    async def _look(self) -> float:
        """Drive what nobody drives. Seconds until the next look."""
        open_batches = await self._store.open()
        for batch_id in open_batches:
            if len(self._tasks) >= _MOST:
                break
            if batch_id not in self._tasks and await self._store.lease(batch_id, self._token):
                task = asyncio.create_task(self._drive(batch_id))
                self._tasks[batch_id] = task
                task.add_done_callback(partial(self._over, batch_id))
        await self._sweep()
        return _LOOK if open_batches else _RARELY

    def _over(self, batch_id: str, _: "asyncio.Task[None]") -> None:
        self._tasks.pop(batch_id, None)
        self._lookout.tell()

    async def _drive(self, batch_id: str) -> None:
        """Drive a batch until it has ended, or another process has it."""
        told, pause = "", _AGAIN
        while True:
            try:
                batch = await self._store.get(batch_id)
                if batch is None or batch.status.ended:
                    return
                drive = Drive(self._app, self._jobs, batch, self._token)
                await self._holding(batch_id, drive)
                return
            except Lost:
                return
            except TROUBLE as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("batch %s waits: %s", batch_id, told)
            except Exception:
                log.exception("batch %s can't be driven", batch_id)
                pause = min(2 * pause, _LONGEST)
            await asyncio.sleep(pause)

    async def _holding(self, batch_id: str, drive: Drive) -> None:
        """Run a drive while the batch is held. Raises Lost, and what the drive raises."""
        running = asyncio.create_task(drive.run())
        try:
            while not running.done():
                await asyncio.wait((running,), timeout=LEASE / 4)
                if running.done():
                    break
                with contextlib.suppress(RedisError, OSError):
                    status = await self._store.lease(batch_id, self._token)
                    if status is None:
                        raise Lost
                    drive.status = status
            await running
        finally:
            await end(running)

    async def _sweep(self) -> None:
        if time.monotonic() - self._swept >= _SWEEP:
            self._swept = time.monotonic()
            await self._files.sweep()
            await self._store.sweep()
