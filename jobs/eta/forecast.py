"""When jobs start and end that share one device, as if their work was a fluid. It knows what each needs, not why.

Each category is a line: jobs that run, and jobs that wait for one of its places. Lines share the device as the
worker's scheduler has it. Within a line, work is done one piece after the other, the shortest first where answers are
written (`worker/engines/llm/rows/reading.py`); answers are written together, and beside reading in the rest of the
time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from jobs.eta.demand import Demand
from jobs.eta.turns import Turns
from jobs.service_class import ServiceClass
from jobs.worker_state import Periods

#: Reading beside answers, as a share of the time of the steps that write (worker/engines/llm/rows/allowance.py).
_READING = 0.8
#: Prompts and answers of which one is of the background: how many times less or more is read
#: (worker/engines/llm/rows/reading.py).
_YIELD = 4
#: How often a prompt is read because it is the oldest, and not because the least of it is unread.
_OLDEST = 0.25
#: What of its demand a job still has that has run longer than it should have.
_OVERDUE = 0.15
#: Changes that are looked at. What comes later is extrapolated.
_MOST_CHANGES = 1500
#: Seconds of reading and of writing that may not be told of yet (worker/engines/llm/request.py: REPORT_EVERY,
#: WRITTEN_EVERY).
_UNREAD, _UNTOLD = 0.25, 0.75
_NOTHING = 1e-9
_NO_PERIODS = Periods()
#: Seconds for which speeds are taken as constant: at least, and as a share of the time that has passed.
_SHORTEST, _STEP = 0.2, 0.2


@dataclass(slots=True, eq=False)
class Item:
    """A job. `age`: seconds for which it has run since it needed as much as `demand` tells.

    Where it is not `known`, the demand is a guess by other jobs, or is that of a job before it. `queued`: it did not
    run yet. `unit`: what its progress counts. `start`, `read` and `end` are seconds from now, and None where they are
    not foreseen. `ran`: seconds since it began. `unshared`: those of its last step. `share`, `first` and `charged`:
    see `turns.py`.
    """

    id: str
    model: str
    demand: Demand
    age: float = 0.0
    known: bool = True
    queued: bool = False
    queue: str = ""
    service_class: str = ""
    unit: str = ""
    share: str = ""
    first: bool = False
    charged: float = 0.0
    ran: float = 0.0
    start: float | None = None
    read: float | None = None
    end: float | None = None
    speed: float = 0.0
    unshared: float = 0.0

    @property
    def is_background(self) -> bool:
        return self.service_class == ServiceClass.BACKGROUND

    @property
    def reads(self) -> bool:
        return self.demand.work > _NOTHING

    @property
    def is_read_long(self) -> bool:
        """Whether reading is told of on its way: what is not told of has not been read."""
        return self.demand.tokens > _NOTHING and self.demand.work > _UNREAD

    @property
    def ends(self) -> bool:
        """Whether its last step has begun."""
        return not self.reads and self.demand.tokens <= _NOTHING

    @property
    def over(self) -> bool:
        return self.ends and self.demand.last <= _NOTHING

    @property
    def left(self) -> float:
        """Seconds until it changes, at its speed."""
        if self.ends:
            return self.demand.last
        if self.speed <= 0:
            return float("inf")
        return (self.demand.work if self.reads else self.demand.tokens) / self.speed

    def catch_up(self) -> None:
        """Take off what it has done at its speed since it was known how far it is: at most a part."""
        demand = self.demand
        work, whole = demand.work, demand.work + demand.last
        least = max(work - demand.part, _OVERDUE * whole - demand.last, 0.0)
        demand.work = max(work - self.age * self.speed, least)
        if not self.reads and self.speed > 0:
            demand.last = max(
                demand.last - (self.age - work / self.speed), min(demand.last, _OVERDUE * whole)
            )

    def catch_up_text(self, waited: float, reads: float, writes: float, answers: int, longest: float) -> None:
        """The same of a text: it waited for prompts before it, was read, and then writes.

        `reads` and `writes` are shares of the device, `answers` those that are written together.
        """
        demand, age = self.demand, self.age
        if self.is_read_long:
            demand.work -= min(age, _UNREAD) * reads
            return
        begins = max(demand.begins, waited + demand.work / reads if self.reads else 0.0)
        demand.work *= max(0.0, 1 - age / begins) if begins else 1.0
        if not self.reads:
            self.read = 0.0
            seconds = demand.seconds(answers, longest)
            written = min(age - begins, _UNTOLD) * writes / seconds if seconds > 0 else demand.tokens
            demand.write(min(written, demand.tokens * (1 - _OVERDUE)))

    def advance(self, seconds: float) -> None:
        done = seconds * self.speed
        if self.ends:
            self.demand.last -= seconds
            self.unshared += seconds
        elif self.reads:
            self.demand.work -= done
        else:
            self.demand.write(done)


@dataclass(slots=True, eq=False)
class Line:
    """A category: what runs, what waits in its order, how many may run together, and which models are in memory.

    By its usual `periods` it is expected to have some again after those at hand, which have ended at `idle_since`.
    The last answer was written at `wrote_at`.
    """

    capacity: int
    running: list[Item] = field(default_factory=list)
    waiting: Turns[Item] = field(default_factory=Turns)
    models: set[str] = field(default_factory=set)
    periods: Periods = _NO_PERIODS
    idle_since: float = 0.0
    wrote_at: float = 0.0
    #: of the device, as it has it now
    share: float = 1.0
    #: seconds that it had more than its share: the next job waits as much longer for its turn
    debt: float = 0.0

    @property
    def busy(self) -> bool:
        return bool(self.running)

    def presence(self, now: float) -> float:
        """How likely it has jobs: as an on-off process that was off when the last one ended."""
        return 1.0 if self.running else self._again(now - self.idle_since)

    def _again(self, seconds: float) -> float:
        """How likely it has jobs again, so long after it had some."""
        busy, idle = self.periods.busy, self.periods.idle
        if busy < _NOTHING or idle < _NOTHING:
            return 0.0
        return busy / (busy + idle) * (1 - math.exp(-seconds * (1 / busy + 1 / idle)))

    def fill(self, now: float) -> None:
        """Start what has a place."""
        if not self._has_room:
            self.debt *= bool(self.waiting)
            return
        while self._has_room:
            item = self.waiting.take()
            item.start = now
            item.demand.work += self.debt
            self.debt = 0.0
            if item.model not in self.models:
                item.demand.work += item.demand.load
                self.models.add(item.model)
            self.running.append(item)
        self._take_turns()

    @property
    def _has_room(self) -> bool:
        """Whether a job waits that has a place. Those of the background stand still for interactive ones."""
        if not self.waiting or len(self.running) < self.capacity:
            return bool(self.waiting)
        still = sum(item.is_background for item in self.running) if self.waiting.is_interactive else 0
        return len(self.running) < self.capacity + still

    def end(self, now: float) -> None:
        """Let go what is over."""
        for item in tuple(self.running):
            ran = item.ran + now - (item.start or 0.0)
            if item.over:
                item.end = self.idle_since = now
                self.running.remove(item)
                self.debt += item.unshared * (1 - self.share)
                self.waiting.ended(item, ran)
            else:
                self.waiting.runs(item, ran)

    def _take_turns(self) -> None:
        """Have the last steps of jobs that run together share the time, too."""
        if len(self.running) > 1:
            for item in self.running:
                if not item.ends:
                    item.demand.work += item.demand.last
                    item.demand.last = 0.0

    def set_speeds(self, share: float, now: float) -> None:
        """Give each running job its part of this share of the device."""
        self.share = share
        readers = [item for item in self.running if item.reads]
        writers = [item for item in self.running if not item.reads and not item.ends]
        if writers:
            self.wrote_at = now
        texts = [item for item in readers if item.demand.tokens]
        reading, writing = share, share
        if readers and (texts or writers):
            long = [item for item in readers if not item.demand.short]
            prompts = sum(not item.is_background for item in long) or len(long)
            apart = _parted(share, max(1, prompts), max(1, len(writers)), _haste(readers, writers))[0]
            others = 1.0 if writers else self._again(now - self.wrote_at)
            reading, writing = apart * others + share * (1 - others), share - apart
        # Other work is done in turns, that of the background after others.
        work = [item for item in readers if not item.demand.tokens]
        work = [item for item in work if not item.is_background] or work
        for item in readers:
            item.speed = 0.0
        for item in work:
            item.speed = reading / len(work)
        if texts := [item for item in texts if not item.is_background] or texts:
            texts[0].speed = _OLDEST * reading
            min(texts, key=lambda item: item.demand.work).speed += (1 - _OLDEST) * reading
        longest = max((item.demand.length for item in writers), default=0.0)
        for item in writers:
            seconds = item.demand.seconds(len(writers), longest)
            item.speed = writing / seconds if seconds > 0 else float("inf")

    def catch_up(self) -> None:
        """Take off what running jobs have done since it was known how far they are."""
        self._take_turns()
        texts = sorted(
            (item for item in self.running if item.demand.tokens), key=lambda item: item.demand.work
        )
        # Prompts are read one after the other; those of the first ones are read by now.
        reads = _parted(self.share, 1, sum(not item.reads for item in texts))[0]
        until = list(accumulate(item.demand.work / reads for item in texts))
        readers = sum(
            item.is_read_long or (item.reads and max(seconds, item.demand.begins) > item.age)
            for item, seconds in zip(texts, until, strict=True)
        )
        writers = max(1, len(texts) - readers)
        writes = _parted(self.share, readers, writers)[1]
        longest = max((item.demand.length for item in texts if not item.reads), default=0.0)
        for item, seconds in zip(texts, until, strict=True):
            item.catch_up_text(seconds - item.demand.work / reads, reads, writes, writers, longest)
        for item in self.running:
            item.start = 0.0
            if not item.demand.tokens:
                item.catch_up()


def _haste(readers: Sequence[Item], writers: Sequence[Item]) -> float:
    """How many times more is read than usual: prompts of the background give way to other answers."""
    background = all(item.is_background for item in readers)
    if all(item.is_background for item in writers):
        return 1.0 if background or not writers else _YIELD
    return 1 / _YIELD if background else 1.0


def _parted(share: float, readers: int, writers: int, haste: float = 1.0) -> tuple[float, float]:
    """A share of the device, in what reads and what writes: the more prompts wait, the more is read."""
    if not readers or not writers:
        return (share, 0.0) if readers else (0.0, share)
    weight = _READING * haste * (1.0 if haste < 1 else max(1.0, readers**2 / writers))
    return share * weight / (1 + weight), share / (1 + weight)


def forecast(lines: Sequence[Line], first: Line | None, share: float | None) -> None:
    """Set `start`, `read` and `end` of all items of these lines, as far as they can be seen.

    `first`: the line that has `share` of the device while others are busy; without a share all have the same.
    """
    _share_out(lines, first, share, 0.0)
    for line in lines:
        line.catch_up()
    now = 0.0
    for _ in range(_MOST_CHANGES):
        for line in lines:
            line.fill(now)
        _share_out(lines, first, share, now)
        running = [item for line in lines for item in line.running]
        passed = min((item.left for item in running), default=float("inf"))
        if passed == float("inf"):
            break
        passed = min(passed, max(_SHORTEST, _STEP * now))
        now += passed
        for item in running:
            reads = item.reads
            if item.speed == float("inf") and not item.ends:
                item.demand.tokens = 0.0
            else:
                item.advance(passed)
            if reads and not item.reads:
                item.read = now
        for line in lines:
            line.end(now)


def _share_out(lines: Sequence[Line], first: Line | None, share: float | None, now: float) -> None:
    """Share the device among the lines that have jobs, and those that may have some again."""
    there = {id(line): line.presence(now) for line in lines}
    for line in lines:
        if not line.busy:
            continue
        chats = there[id(first)] if first is not None and first is not line else 0.0
        others = [there[id(other)] for other in lines if other is not line and other is not first]
        if share is None:
            line.set_speeds(1 / (1 + chats + sum(others)), now)
        elif line is first:
            line.set_speeds(1 - (1 - share) * (1 - math.prod(1 - each for each in others)), now)
        else:
            line.set_speeds((1 - share * chats) / (1 + sum(others)), now)
