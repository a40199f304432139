"""What a waiting job waits for. It knows what Redis and the workers say; it does not know the order of a queue."""

import math
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import NamedTuple

from jobs.info import JobInfo
from jobs.kinds import DOWNLOADS, KINDS
from jobs.service_class import ServiceClass
from jobs.status import JobStatus
from jobs.worker_state import Rest, WorkerState

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
    #: hours or a state of the machine in which the background works
    POLICY = "policy"
    #: it is next, and its model is not in memory
    MODEL = "model"
    #: the jobs before it, or a free place beside those that run
    TURN = "turn"


class Wait(NamedTuple):
    """What a job waits for, and that in words: a sentence without its full stop."""

    on: WaitsFor
    reason: str


def wait_of(info: JobInfo, paused: Collection[str], workers: Iterable[WorkerState]) -> Wait | None:
    """None: it does not wait."""
    if info.status is not JobStatus.QUEUED:
        return None
    if info.held:
        return Wait(WaitsFor.HELD, "it is held until somebody releases it")
    if info.deferred:
        return Wait(WaitsFor.DOWNLOAD, "its model is being fetched")
    if names := paused_names(info.queue, info.service_class) & set(paused):
        return Wait(WaitsFor.PAUSED, _paused(info, names))
    able = _able(info.queue, workers)
    if not able and info.queue != DOWNLOADS:
        return Wait(WaitsFor.WORKER, "no worker is running")
    if info.service_class is ServiceClass.BACKGROUND and (rest := _rest(able)) is not None:
        return Wait(WaitsFor.POLICY, rest.message)
    there = {slot.present for worker in able for slot in worker.slots[info.queue]}
    needs = any(row.uses_model for kind, row in KINDS.items() if kind == info.kind)
    if able and needs and info.position == 1 and info.model not in there:
        return Wait(WaitsFor.MODEL, "it is next, and its model has to be loaded first")
    return Wait(WaitsFor.TURN, _turn(info.position))


def starts_at(queue: str, workers: Iterable[WorkerState]) -> float:
    """The earliest Unix second at which a job of the background may start, as far as policies are concerned.

    0.0: now. Infinite: nobody knows, as it depends on people.
    """
    rest = _rest(_able(queue, workers))
    if rest is None:
        return 0.0
    return math.inf if rest.until is None else rest.until


def paused_names(category: str, service_class: str) -> set[str]:
    """The names by which the jobs of a class can be paused."""
    return {EVERY_QUEUE, category, f"{category}:{service_class}"}


def _able(queue: str, workers: Iterable[WorkerState]) -> list[WorkerState]:
    """The workers that take jobs of this queue."""
    return [worker for worker in workers if queue in worker.slots]


def _rest(able: Collection[WorkerState]) -> Rest | None:
    """That of the worker that starts background jobs first; None: one of them starts them now, or there is none."""
    rests = [worker.rest for worker in able if worker.rest is not None]
    if not rests or len(rests) < len(able):
        return None
    return min(rests, key=lambda rest: math.inf if rest.until is None else rest.until)


def _paused(info: JobInfo, names: Collection[str]) -> str:
    if EVERY_QUEUE in names:
        return "all queues are paused"
    whole = info.queue in names
    return (
        f"the queue {info.queue} is paused"
        if whole
        else f"{info.service_class} jobs of {info.queue} are paused"
    )


def _turn(position: int | None) -> str:
    if position is None:
        return "other jobs are before it"
    if position == 1:
        return "it is next, when a place is free"
    return f"{position - 1} job{'s are' if position > 2 else ' is'} before it"
