"""The body of `/v1/queue/stats`."""

from typing import Any

from jobs.info import QueueStats


def queue_stats(stats: dict[str, QueueStats]) -> dict[str, Any]:
    """Per queue: what waits and runs, what has ended and is still kept, and the median wait in seconds."""
    return {
        "object": "queue.stats",
        "queues": {
            name: {
                "waiting": queue.waiting,
                "running": queue.running,
                "finished": queue.finished,
                "failed": queue.failed,
                "cancelled": queue.cancelled,
                "median_wait_seconds": queue.median_wait,
            }
            for name, queue in stats.items()
        },
    }
