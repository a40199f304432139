"""Estimates for the jobs that are asked about, from snapshots that are as old as their cost allows.

It knows how often it may look and what earlier estimates were worth. It does not know how jobs share a device.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from redis.exceptions import NoScriptError

from jobs.eta.demand import unit_of
from jobs.eta.snapshot import Snapshot, take
from jobs.eta.view import LOOK
from jobs.gate.scripts import script
from jobs.info import JobInfo
from jobs.kinds import DOWNLOADS
from jobs.queue.waits import WaitsFor
from jobs.status import JobStatus

#: Seconds for which a snapshot is good, and how many times longer than it took.
_FRESH, _SHARE = 0.5, 20
#: Between two snapshots there are so many times the seconds that the last one took, and so many at most.
_PAUSE, _LONGEST_PAUSE = 4, 0.1
#: Estimates above four to the power of this, in seconds, are corrected alike.
_FARTHEST = 5
#: What a job waits for that starts at a time which nobody knows.
_ENDLESS = (WaitsFor.HELD, WaitsFor.DOWNLOAD, WaitsFor.PAUSED, WaitsFor.WORKER, WaitsFor.POLICY)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Seconds from now until a job ends, and until its prompt is read. None: it is not known."""

    end: float | None = None
    read: float | None = None


_NOTHING = Foreseen()


class Estimator:
    """Of one API process. Raises RedisError."""

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection
        self._snapshot: Snapshot | None = None
        self._taken_at, self._cost = -math.inf, 0.0
        self._taking = asyncio.Lock()

    async def of(self, infos: Sequence[JobInfo]) -> list[Foreseen]:
        """What is foreseen of these jobs; their `position` and what they wait for are known."""
        wanted = [info for info in infos if can_be_foreseen(info)]
        if not wanted:
            return [_NOTHING] * len(infos)
        snapshot = await self.snapshot(wanted)
        passed = time.monotonic() - snapshot.clock
        raw = {info.id: _raw(snapshot, info, passed) for info in wanted}
        await self._note([info for info in wanted if raw[info.id].end is not None], raw)
        return [_corrected(snapshot, info, raw[info.id]) if info.id in raw else _NOTHING for info in infos]

    async def ends(self, ids: Sequence[str]) -> list[float | None]:
        """Seconds until the ends of jobs of which only the ids are known."""
        snapshot = await self.snapshot()
        passed = time.monotonic() - snapshot.clock
        found = [snapshot.items.get(job_id) for job_id in ids]
        return [
            None
            if item is None or item.end is None or not item.known
            else _rounded(
                item.end - passed, snapshot, item.queue, _phase(item.queued, item.service_class, item.unit)
            )
            for item in found
        ]

    async def snapshot(self, wanted: Sequence[JobInfo] = ()) -> Snapshot:
        """One that is fresh enough, also for these jobs: they may have come or started since the last one."""
        asked = time.monotonic()
        async with self._taking:
            if (last := self._snapshot) is not None:
                now = time.monotonic()
                fresh = now - self._taken_at < max(_FRESH, _SHARE * self._cost)
                if last.clock >= asked or (fresh and _has(last, wanted)):
                    return last
                # Many that come at once share the next one.
                await asyncio.sleep(max(0.0, self._taken_at + min(_PAUSE * self._cost, _LONGEST_PAUSE) - now))
            self._snapshot = await take(self._redis)
            self._taken_at = time.monotonic()
            self._cost = self._taken_at - self._snapshot.clock
            return self._snapshot

    async def _note(self, infos: Sequence[JobInfo], raw: dict[str, Foreseen]) -> None:
        """Keep the first estimate of each job in each of its states: its end tells what it was worth."""
        told: list[Any] = []
        for info in infos:
            if (phase := _phase_of(info)) not in info.foreseen:
                seconds = raw[info.id].end or 0.0
                told += [info.id, _lesson(phase, seconds), f"{seconds:.3f}"]
        if not told:
            return
        text, sha = script("foresee")
        try:
            await self._redis.evalsha(sha, 0, *told)
        except NoScriptError:
            await self._redis.eval(text, 0, *told)


def can_be_foreseen(info: JobInfo) -> bool:
    """Whether its end can be known at all; what it waits for is known."""
    return not info.status.terminal and info.queue != DOWNLOADS and info.waits_for not in _ENDLESS


def _phase(queued: bool, service_class: str, unit: str) -> str:
    """The class counts while it waits: what comes later may overtake it. `unit`: what its progress counts."""
    if queued:
        return f"queued|{service_class}"
    return "running" if unit else "begun"


def _lesson(phase: str, seconds: float) -> str:
    """Where it is kept by how much such estimates were wrong: the longer they are, the more comes meanwhile."""
    return f"{phase}|{min(_FARTHEST, int(math.log(max(seconds, 1.0), 4)))}"


def _phase_of(info: JobInfo) -> str:
    return _phase(info.status is JobStatus.QUEUED, info.service_class, unit_of(info.progress))


def _has(snapshot: Snapshot, wanted: Sequence[JobInfo]) -> bool:
    """Whether it knows these jobs in the state in which they are."""
    for info in wanted:
        item = snapshot.items.get(info.id)
        runs = info.status is not JobStatus.QUEUED
        if runs and (item is None or item.queued or item.unit != unit_of(info.progress)):
            return False
        if item is None and (info.position or 0) <= LOOK:
            return False
    return True


def _raw(snapshot: Snapshot, info: JobInfo, passed: float) -> Foreseen:
    item = snapshot.items.get(info.id)
    if item is not None:
        if item.end is None or not item.known:
            return _NOTHING
        return Foreseen(max(0.0, item.end - passed), _left(item.read, passed))
    if info.status is not JobStatus.QUEUED or info.position is None:
        return _NOTHING
    start = snapshot.start_of(info.queue, info.position)
    length = snapshot.length_of(info.queue)
    return _NOTHING if start is None or length is None else Foreseen(max(0.0, start + length - passed))


def _left(seconds: float | None, passed: float) -> float | None:
    return None if seconds is None else round(max(0.0, seconds - passed), 2)


def _corrected(snapshot: Snapshot, info: JobInfo, raw: Foreseen) -> Foreseen:
    if raw.end is None:
        return raw
    return Foreseen(_rounded(raw.end, snapshot, info.queue, _phase_of(info)), raw.read)


def _rounded(seconds: float, snapshot: Snapshot, queue: str, phase: str) -> float:
    factor = math.exp(snapshot.corrections.get(f"{queue}|{_lesson(phase, seconds)}", 0.0))
    return round(max(0.0, seconds) * factor, 2)
