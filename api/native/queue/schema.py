"""The body of `/v1/queue/stats`."""

from collections.abc import Mapping
from typing import Literal

from typing_extensions import TypedDict

from jobs.info import QueueStats


class QueueRow(TypedDict):
    """What waits and runs, how much of both has lost its client, what has ended and is still kept.

    The median wait is in seconds.
    """

    waiting: int
    running: int
    lingering: int
    finished: int
    failed: int
    cancelled: int
    median_wait_seconds: float | None


class Queues(TypedDict):
    """Each queue by its name."""

    object: Literal["queue.stats"]
    queues: dict[str, QueueRow]


def queue_stats(stats: Mapping[str, QueueStats]) -> Queues:
    return {
        "object": "queue.stats",
        "queues": {
            name: {
                "waiting": queue.waiting,
                "running": queue.running,
                "lingering": queue.lingering,
                "finished": queue.finished,
                "failed": queue.failed,
                "cancelled": queue.cancelled,
                "median_wait_seconds": queue.median_wait,
            }
            for name, queue in stats.items()
        },
    }
