"""The slots of each worker, as published at its last beat. This module knows no route and no name of a model."""

from dataclasses import dataclass

from jobs.client import JobClient
from jobs.worker_state import SlotState


@dataclass(frozen=True, slots=True)
class Held:
    """A slot of a worker, as the worker told it."""

    worker: str
    category: str
    slot: SlotState

    @property
    def model(self) -> str | None:
        """The model that is there, or comes."""
        return self.slot.present


async def held(jobs: JobClient) -> list[Held]:
    """All slots of all workers: of each worker and category at least one."""
    return [
        Held(worker.name, category, slot)
        for worker in await jobs.workers()
        for category, slots in worker.slots.items()
        for slot in slots
    ]


async def present(jobs: JobClient) -> set[str]:
    """The ids of the models that are in the memory of a worker, or on their way there."""
    return {each.model for each in await held(jobs) if each.model}
