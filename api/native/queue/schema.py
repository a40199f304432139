"""The bodies of `/v1/queue`."""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from typing_extensions import TypedDict

from jobs.info import QueueStats
from jobs.queue.waits import EVERY_QUEUE
from jobs.worker_state import Rest, RestReason, WorkerState

QueueName = Literal["llm", "asr", "tts", "image", "embedding", "download"]


class WaitingByClass(TypedDict):
    """Jobs that wait to be taken: without those that are held or whose model is fetched."""

    interactive: int
    normal: int
    background: int


class QueueRow(TypedDict):
    """What waits and runs, how much of both has lost its client, what has ended and is still kept.

    The median wait is in seconds. `paused`: the queue, or everything, is paused; `paused_classes`: only these are.
    """

    waiting: int
    waiting_by_class: WaitingByClass
    running: int
    lingering: int
    finished: int
    failed: int
    cancelled: int
    expired: int
    median_wait_seconds: float | None
    paused: bool
    paused_classes: list[str]


class Resting(TypedDict):
    """Why a worker starts no background jobs, also in words, and Unix seconds. `until` is null where nobody knows."""

    reasons: list[RestReason]
    message: str
    since: float
    until: float | None


class Queues(TypedDict):
    """Each queue by its name. `paused`: everything is. `resting`: the workers that start no background jobs now."""

    object: Literal["queue.stats"]
    paused: bool
    resting: list[Resting]
    queues: dict[str, QueueRow]


def queue_stats(
    stats: Mapping[str, QueueStats], paused: Collection[str], workers: Iterable[WorkerState]
) -> Queues:
    return {
        "object": "queue.stats",
        "paused": EVERY_QUEUE in paused,
        "resting": [_resting(worker.rest) for worker in workers if worker.rest is not None],
        "queues": {name: _row(queue) for name, queue in stats.items()},
    }


def _resting(rest: Rest) -> Resting:
    return {
        "reasons": list(rest.reasons),
        "message": rest.message,
        "since": round(rest.since, 3),
        "until": None if rest.until is None else round(rest.until, 3),
    }


def _row(queue: QueueStats) -> QueueRow:
    interactive, normal, background = queue.classes.values()
    return {
        "waiting": queue.waiting,
        "waiting_by_class": {"interactive": interactive, "normal": normal, "background": background},
        "running": queue.running,
        "lingering": queue.lingering,
        "finished": queue.finished,
        "failed": queue.failed,
        "cancelled": queue.cancelled,
        "expired": queue.expired,
        "median_wait_seconds": queue.median_wait,
        "paused": queue.paused,
        "paused_classes": [each.value for each in queue.paused_classes],
    }
