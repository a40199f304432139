"""The machines whose models are served: those of the workers that publish an inventory, else this one.

The disk of this machine counts only while no worker publishes: jobs are accepted before a worker is up. What is on
this disk and on no worker's could not be loaded. It knows no names of models.
"""

import asyncio
import time
from collections.abc import Sequence
from threading import Lock

from redis.exceptions import RedisError

from config.settings import Settings
from jobs.client import JobClient
from jobs.errors import MlxqError, ServiceUnavailable
from jobs.models.card import Inventory
from jobs.models.inventory import read_inventory
from jobs.models.orders import Answer, Verb, ask
from jobs.worker_state import WorkerState
from mlxq.catalog.disk_inventory import DiskInventory
from mlxq.catalog.removal import Removal

#: Seconds that workers have to look at their disks, and to delete or restore a model. A late look must not hide what
#: was just installed.
_LOOK, _CHANGE = 2.0, 60.0


class Machines:
    """One per application. In-process test clients use it from several threads and event loops."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._read: dict[str, tuple[str, Inventory]] = {}
        self._disk = DiskInventory(settings)
        self._disk_lock = Lock()
        self._on_disk = Inventory()
        self._looked_at = float("-inf")

    async def inventories(self, jobs: JobClient) -> tuple[Inventory, ...]:
        """What the machines have, as they published it last. Raises MlxqError while Redis is away."""
        workers = await _publishing(jobs)
        if not workers:
            return (await asyncio.to_thread(self._own, time.monotonic()),)
        return await self._of(jobs, workers)

    async def look(self, jobs: JobClient) -> tuple[Inventory, ...]:
        """What they have now. A worker that does not answer in time has what it published last."""
        workers = await _publishing(jobs)
        if workers:
            await self._ask(jobs, workers, _LOOK, "look")
        return await self.inventories(jobs)

    async def delete(self, jobs: JobClient, model: str, *, files: bool) -> bool:
        """Forget a model on every machine, with its files or without. False: none has it. Raises MlxqError."""
        workers = await _publishing(jobs)
        if not workers:
            return await asyncio.to_thread(Removal(self._settings).delete, model, files=files)
        answers = await self._ask(jobs, workers, _CHANGE, "delete", model, files=files)
        _check(answers)
        return any(answer.found for answer in answers)

    async def restore(self, jobs: JobClient, model: str) -> None:
        """A model that was forgotten, and whose files stayed, is used again. Raises MlxqError."""
        workers = await _publishing(jobs)
        if not workers:
            await asyncio.to_thread(Removal(self._settings).restore, model)
        else:
            _check(await self._ask(jobs, workers, _CHANGE, "restore", model))

    def own(self) -> Inventory:
        """What lies on this machine's disk."""
        return self._own(time.monotonic())

    async def _of(self, jobs: JobClient, workers: Sequence[WorkerState]) -> tuple[Inventory, ...]:
        """The inventories of these workers. Only what has changed is read."""
        found: dict[str, tuple[str, Inventory]] = {}
        for worker in workers:
            with self._lock:
                known = self._read.get(worker.name)
            if known is None or known[0] != worker.inventory:
                try:
                    known = (worker.inventory, await read_inventory(jobs.redis, worker.name))
                except (RedisError, OSError):
                    raise _away() from None
            found[worker.name] = known
        with self._lock:
            self._read = found
        return tuple(inventory for _, inventory in found.values())

    async def _ask(
        self,
        jobs: JobClient,
        workers: Sequence[WorkerState],
        patience: float,
        verb: Verb,
        model: str = "",
        *,
        files: bool = True,
    ) -> list[Answer]:
        names = [worker.name for worker in workers]
        try:
            return await ask(jobs.redis, names, patience, verb, model, files=files)
        except (RedisError, OSError):
            raise _away() from None

    def _own(self, asked: float) -> Inventory:
        """One look at the disk serves all who asked before it began."""
        with self._disk_lock:
            if self._looked_at < asked:
                self._looked_at = time.monotonic()
                self._on_disk = self._disk.look()
            return self._on_disk


async def _publishing(jobs: JobClient) -> list[WorkerState]:
    """The workers that publish an inventory, always in the same order."""
    workers = [worker for worker in await jobs.workers() if worker.inventory]
    return sorted(workers, key=lambda worker: worker.name)


def _check(answers: Sequence[Answer]) -> None:
    """Raises MlxqError for the first worker that failed, and when none answered."""
    if not answers:
        raise ServiceUnavailable("No worker answered in time.", retry_after=5)
    for answer in answers:
        if answer.error is not None:
            raise MlxqError.of(answer.error)


def _away() -> ServiceUnavailable:
    return ServiceUnavailable("The job queue is out of reach.", retry_after=2)
