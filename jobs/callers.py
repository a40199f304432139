"""Counts the clients of this API process that wait for a job. The last one that disconnects cancels it.

It knows this process. Which other processes have clients that wait for a job, Redis knows (jobs/gate/watchers.lua).
"""

from jobs.bus import Watch


class Callers:
    """A client is known by its watch."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Watch]] = {}

    def enter(self, watch: Watch) -> None:
        self._waiting.setdefault(watch.job_id, set()).add(watch)

    def leave(self, watch: Watch) -> bool:
        """Returns whether it was the job's last client. False for one that has left before."""
        waiting = self._waiting.get(watch.job_id, set())
        if watch not in waiting:
            return False
        waiting.remove(watch)
        if waiting:
            return False
        del self._waiting[watch.job_id]
        return True
