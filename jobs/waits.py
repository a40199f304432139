"""What a waiting job waits for. It knows what Redis and the workers say; it does not know the order of a queue."""

from collections.abc import Collection, Iterable
from enum import StrEnum

from jobs.info import JobInfo
from jobs.kinds import DOWNLOADS, KINDS
from jobs.status import JobStatus
from jobs.worker_state import WorkerState

#: The name that stands for every queue where queues are paused.
EVERY_QUEUE = "all"


class WaitsFor(StrEnum):
    """The first that is true."""

    #: somebody holds it
    HELD = "held"
    #: another job, which fetches its model
    DOWNLOAD = "download"
    #: its queue, its class or everything is paused
    PAUSED = "paused"
    #: a worker: none is there
    WORKER = "worker"
    #: it is next, and its model is not in memory
    MODEL = "model"
    #: the jobs before it, or a free place beside those that run
    TURN = "turn"


def waits_for(info: JobInfo, paused: Collection[str], workers: Iterable[WorkerState]) -> WaitsFor | None:
    """None: it does not wait."""
    if info.status is not JobStatus.QUEUED:
        return None
    if info.held:
        return WaitsFor.HELD
    if info.deferred:
        return WaitsFor.DOWNLOAD
    if not paused_names(info.queue, info.service_class).isdisjoint(paused):
        return WaitsFor.PAUSED
    if info.queue == DOWNLOADS:
        return WaitsFor.TURN
    able = [worker for worker in workers if info.queue in worker.slots]
    if not able:
        return WaitsFor.WORKER
    there = {slot.present for worker in able for slot in worker.slots[info.queue]}
    needs = any(row.uses_model for kind, row in KINDS.items() if kind == info.kind)
    return WaitsFor.MODEL if needs and info.position == 1 and info.model not in there else WaitsFor.TURN


def paused_names(category: str, service_class: str) -> set[str]:
    """The names by which the jobs of a class can be paused."""
    return {EVERY_QUEUE, category, f"{category}:{service_class}"}
