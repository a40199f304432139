"""Counts the clients of this API process that wait for a job. It ends, or lingers, when the last one leaves.

It knows this process. Which other processes have clients that wait for a job, Redis knows (jobs/gate/watchers.lua).
"""

from typing import NamedTuple

from jobs.bus import Watch


class Departure(NamedTuple):
    """A client that waits no more, and its request's `fingerprint`. `last`: no other one waits for its job here."""

    last: bool
    fingerprint: str


class Callers:
    """A client is known by its watch."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[Watch, str]] = {}

    def enter(self, watch: Watch, fingerprint: str | None) -> None:
        self._waiting.setdefault(watch.job_id, {})[watch] = fingerprint or ""

    def leave(self, watch: Watch) -> Departure | None:
        """None: it has left before."""
        waiting = self._waiting.get(watch.job_id, {})
        fingerprint = waiting.pop(watch, None)
        if fingerprint is None:
            return None
        if not waiting:
            del self._waiting[watch.job_id]
        return Departure(not waiting, fingerprint)
