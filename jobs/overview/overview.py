"""The jobs that wait and run as they stood at the last look, and what has changed with the next one.

It knows states, not how they are written. Work is bounded by what has changed, not by what is there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from jobs.events import ProgressState
from jobs.info import JobInfo
from jobs.overview.look import Execution, Look, Waiting, info_of, look, read
from jobs.queue.waits import wait_of
from jobs.reader import JobReader
from jobs.redis.errors import told
from jobs.worker_state import WorkerState

#: Seconds over which the speed of a text is measured.
_SPAN = 1.0

_PROGRESS = msgspec.json.Decoder(ProgressState)


@dataclass(frozen=True, slots=True)
class Running:
    """How far a running job is. `newest` is the number of its newest file, `eta` is in seconds."""

    job_id: str
    owner: str
    progress: ProgressState | None = None
    eta: float | None = None
    tokens_per_second: float | None = None
    newest: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """The jobs of a queue that wait for their turn, the next one first, each with its owner.

    `etas` are the seconds until they have ended, as far as that is known; empty where nobody has looked.
    """

    queue: str
    jobs: tuple[str, ...]
    owners: tuple[str, ...]
    etas: tuple[float | None, ...] = ()


@dataclass(slots=True)
class Changes:
    """What has changed with a look. `jobs` are new ones, changed ones and those that have ended."""

    jobs: list[JobInfo] = field(default_factory=list)
    progress: list[Running] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    gone: list[JobInfo] = field(default_factory=list)


class _Speed:
    """Of a text that is being written."""

    def __init__(self, time: float, tokens: int) -> None:
        self._time, self._tokens = time, tokens
        self.value: float | None = None

    def measure(self, time: float, tokens: int) -> None:
        if time - self._time >= _SPAN:
            self.value = round(max(0, tokens - self._tokens) / (time - self._time), 1)
            self._time, self._tokens = time, tokens


class Overview:
    """Call `look` again and again. `jobs`, `running`, `orders` and `workers` are what is known since then."""

    def __init__(self, reader: JobReader) -> None:
        self._reader = reader
        #: all that wait and run
        self.jobs: dict[str, JobInfo] = {}
        self.running: dict[str, Running] = {}
        self.orders: dict[str, Order] = {}
        self._waiting: dict[str, Waiting] = {}
        self._digests: Mapping[str, str] = {}
        self._marks: dict[str, str] = {}
        self._speeds: dict[str, _Speed] = {}
        self._since = 0
        #: the jobs of that millisecond that were seen
        self._seen: frozenset[str] = frozenset()
        #: the jobs that were told as ended at the last look
        self._ended: frozenset[str] = frozenset()
        self.workers: Sequence[WorkerState] = ()
        self._reasons: object = None
        self._told_paused: frozenset[str] | None = None
        #: seconds until jobs have ended, as far as they are known
        self._ends: Mapping[str, float | None] = {}
        #: seconds of Redis' clock at the last look, and what was paused then
        self.time = 0.0
        self.paused: frozenset[str] = frozenset()

    @property
    def cut(self) -> bool:
        """Whether more jobs wait than are known."""
        return any(each.cut for each in self._waiting.values())

    async def look(self, ends: Mapping[str, float | None], *, workers: bool = True) -> Changes:
        """What has changed since the last look.

        `ends` are the seconds until jobs have ended, as far as they are known. `workers`: look at these, too.
        Raises ServiceUnavailable: then all is as it was before.
        """
        with told():
            since = self._since or await self._now()
            seen = await look(self._reader.redis, since, self._digests, self._marks, workers=workers)
            wanted = self._moved(seen) | self._restless(seen) | (seen.new.keys() - self._seen)
            rows = seen.rows
            if unread := wanted - rows.keys():
                rows = {**rows, **await read(self._reader.redis, sorted(unread))}
        infos = {job_id: info_of(job_id, rows[job_id]) for job_id in sorted(wanted)}
        self._ends = ends
        self._note(seen, since)
        changes = Changes()
        self._take(infos, changes)
        self._follow(seen, changes)
        first = self._place(seen, changes)
        self._explain(seen, first, changes)
        return changes

    async def _now(self) -> int:
        seconds, microseconds = await self._reader.redis.time()
        return int(seconds * 1000 + microseconds // 1000)

    def _moved(self, seen: Look) -> set[str]:
        """The jobs of changed queues that came, left, or changed their kind of waiting."""
        wanted = set[str]()
        for queue, waiting in seen.waiting.items():
            before, now = self._waiting.get(queue, Waiting()).places, waiting.places
            wanted |= {job_id for job_id, place in now.items() if before.get(job_id) != place}
            wanted |= before.keys() - now.keys()
        return wanted

    def _restless(self, seen: Look) -> set[str]:
        """Running jobs whose state has changed, and those that do not run any more."""
        marks = {each.job_id: each.mark for each in seen.running}
        changed = {job_id for job_id, mark in marks.items() if self._marks.get(job_id) != mark}
        return changed | (self._marks.keys() - marks.keys())

    def _note(self, seen: Look, since: int) -> None:
        self.time, self.paused = seen.time, seen.paused
        if seen.workers is not None:
            self.workers = seen.workers
        self._waiting |= seen.waiting
        self._digests = seen.digests
        self._marks = {each.job_id: each.mark for each in seen.running}
        last = max(seen.new.values(), default=since)
        same = frozenset(job_id for job_id, at in seen.new.items() if at == last)
        self._seen = same | self._seen if last == self._since else same
        self._since = last

    def _take(self, infos: Mapping[str, JobInfo | None], changes: Changes) -> None:
        ended = set[str]()
        for job_id, info in infos.items():
            before = self.jobs.get(job_id)
            if info is None or not (info.status.terminal or self._knows(job_id)):
                # It is there no more, or waits behind those that are looked at.
                if before is not None:
                    del self.jobs[job_id]
                    changes.gone.append(before)
            elif info.status.terminal:
                ended.add(job_id)
                # One that was read as ended while it was still seen as waiting has been told.
                if self.jobs.pop(job_id, None) is not None or job_id not in self._ended:
                    changes.jobs.append(info)
            else:
                if before is not None:
                    info = replace(info, waits_for=before.waits_for, wait_reason=before.wait_reason)
                self.jobs[job_id] = info
                if before is None or _told(before) != _told(info):
                    changes.jobs.append(info)
        self._ended = frozenset(ended)

    def _knows(self, job_id: str) -> bool:
        """Whether it runs, or waits among those that are looked at."""
        return job_id in self._marks or any(job_id in each.places for each in self._waiting.values())

    def _follow(self, seen: Look, changes: Changes) -> None:
        """How far running jobs are; and downloads that others wait for."""
        running: dict[str, Running] = {}
        for each in seen.running:
            info = self.jobs.get(each.job_id)
            if info is not None:
                running[each.job_id] = self._running(info, each, seen.time)
        for job_id, now in running.items():
            if now != self.running.get(job_id, Running(job_id, now.owner)):
                changes.progress.append(now)
        self.running = running
        self._speeds = {job_id: speed for job_id, speed in self._speeds.items() if job_id in running}

    def _running(self, info: JobInfo, now: Execution, time: float) -> Running:
        progress = _PROGRESS.decode(now.progress) if now.progress else None
        speed = None
        if progress is not None and progress.unit == "tokens":
            speed = self._speeds.setdefault(now.job_id, _Speed(time, progress.done))
            speed.measure(time, progress.done)
        eta = self._ends.get(now.job_id)
        if eta is None and progress is not None and progress.eta is not UNSET:
            eta = progress.eta
        return Running(
            job_id=now.job_id,
            owner=info.owner,
            progress=progress,
            eta=eta,
            tokens_per_second=None if speed is None else speed.value,
            newest=now.newest,
        )

    def _place(self, seen: Look, changes: Changes) -> set[str]:
        """The orders of changed queues. Returns the jobs that are, or were, the next ones."""
        first = set[str]()
        for queue, waiting in seen.waiting.items():
            before = self.orders.get(queue)
            ids = tuple(job_id for job_id in waiting.order if job_id in self.jobs)
            if before is not None and before.jobs == ids:
                continue
            order = Order(queue, ids, tuple(self.jobs[job_id].owner for job_id in ids))
            self.orders[queue] = order
            if before is not None or ids:
                changes.orders.append(order)
            first |= {*ids[:1], *(before.jobs[:1] if before is not None else ())}
        return first

    def _explain(self, seen: Look, first: set[str], changes: Changes) -> None:
        """What the jobs wait for: all of them where pauses or workers have changed, else those that have changed."""
        changed = {info.id: place for place, info in enumerate(changes.jobs)}
        affected: Iterable[str] = {*changed, *first}
        # Workers that were not looked at are as they were.
        if seen.workers is not None or seen.paused != self._told_paused:
            reasons = (
                seen.paused,
                [(each.name, each.slots.keys(), _present(each), _rest(each)) for each in self.workers],
            )
            if reasons != self._reasons:
                affected = tuple(self.jobs)
            self._reasons, self._told_paused = reasons, seen.paused
        heads = {order.jobs[0] for order in self.orders.values() if order.jobs}
        for job_id in affected:
            info = self.jobs.get(job_id)
            if info is None:
                continue
            placed = replace(info, position=1 if job_id in heads else None)
            told, info = info, info.waiting(wait_of(placed, seen.paused, self.workers))
            if info == told:
                continue
            self.jobs[job_id] = info
            if job_id in changed:
                changes.jobs[changed[job_id]] = info
            else:
                changes.jobs.append(info)


def _present(worker: WorkerState) -> list[str | None]:
    return [slot.present for slots in worker.slots.values() for slot in slots]


def _rest(worker: WorkerState) -> str:
    """Why it starts no background jobs, if it does not."""
    return "" if worker.rest is None else worker.rest.message


#: What is told of a job when it changes: neither its place nor how far it is.
_told = attrgetter(
    *(name for name in JobInfo.__struct_fields__ if name not in ("position", "progress", "eta", "foreseen"))
)
