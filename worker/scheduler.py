"""Schedules the device: engines take turns at the boundaries of their steps.

Shares are of time, not of steps: a step of an image is a hundred times as long as one of a chat. This module knows
lanes by name. It does not know engines or jobs.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

#: Seconds for which a busy lane keeps its place after a turn, while it reports the outputs of its step.
GRACE = 0.005
#: Seconds for which a lane with work of the background alone waits at most for urgent turns of others.
YIELD = 1.0


@dataclass(slots=True, eq=False)
class _Lane:
    """`used`: its time in turns over its share; the lane that used least is next. `busy`: it will take more turns.

    `urgent` and `yields` are those of its next turn.
    """

    group: str
    used: float = 0.0
    busy: bool = False
    waiting: bool = False
    urgent: bool = False
    yields: bool = False
    left_at: float = float("-inf")


class DeviceScheduler:
    """One turn at a time. Lanes form groups, by default each its own, whose lanes share the group's time evenly.

    While a lane of the group `first` is busy, that group gets `share` of the time; the others share the rest evenly.
    A lane that is alone never waits. A turn is never cut short: a long step delays all other lanes.
    """

    def __init__(
        self, first: str, share: float, clock: Callable[[], float] = time.monotonic, grace: float = GRACE
    ) -> None:
        self._first = first
        self._share = share
        self._clock = clock
        self._grace = grace
        self._lanes: dict[str, _Lane] = {}
        self._turn: _Lane | None = None
        #: the highest `used` of a lane that has had a turn
        self._used = 0.0
        self._changed = threading.Condition()

    def begin(self, name: str, group: str = "") -> None:
        """This lane is busy from now on."""
        with self._changed:
            self._begin(name, group)

    @contextmanager
    def turn(
        self, name: str, group: str = "", *, urgent: bool = False, yields: bool = False
    ) -> Iterator[None]:
        """Wait for this lane's turn, and take it. A lane that yields waits while one with urgent work is busy."""
        with self._changed:
            lane = self._begin(name, group)
            lane.waiting, lane.urgent, lane.yields = True, urgent, yields
            while not self._is_next(lane):
                self._changed.wait(self._wait_time())
            lane.waiting = False
            self._turn = lane
            self._used = max(self._used, lane.used)
            began = self._clock()
        try:
            yield
        finally:
            with self._changed:
                lane.used += (self._clock() - began) / self._weight(lane)
                lane.left_at = time.monotonic()
                self._turn = None
                self._changed.notify_all()

    def rest(self, name: str) -> None:
        """This lane is not busy any more."""
        with self._changed:
            if name in self._lanes:
                self._lanes[name].busy = False
                self._changed.notify_all()

    def _begin(self, name: str, group: str) -> _Lane:
        lane = self._lanes.setdefault(name, _Lane(group or name))
        if not lane.busy:
            # Time that it did not use while it was idle is no credit.
            lane.used = max(lane.used, self._used)
            lane.busy = True
            lane.left_at = time.monotonic()
        return lane

    def _is_next(self, lane: _Lane) -> bool:
        return self._turn is None and self._next() is lane

    def _next(self) -> _Lane | None:
        """The lane that used least, of those that wait or are about to."""
        now = time.monotonic()
        candidates = [
            lane
            for lane in self._lanes.values()
            if lane.waiting or (lane.busy and now - lane.left_at < self._grace)
        ]
        if any(lane.urgent for lane in candidates):
            candidates = [lane for lane in candidates if not lane.yields or now - lane.left_at > YIELD]
        return min(candidates, key=lambda lane: lane.used, default=None)

    def _wait_time(self) -> float | None:
        """Seconds until a kept place is free; None when a notification will come."""
        if self._turn is not None:
            return None
        chosen = self._next()
        return None if chosen is None or chosen.waiting else self._grace

    def _weight(self, lane: _Lane) -> float:
        """The share of a lane, given which others are busy."""
        busy = [other for other in self._lanes.values() if other.busy and other is not lane]
        company = 1 + sum(other.group == lane.group for other in busy)
        others = {other.group for other in busy} - {lane.group}
        if lane.group == self._first:
            share = self._share if others else 1.0
        else:
            rest = 1 - self._share if self._first in others else 1.0
            share = rest / (1 + len(others - {self._first}))
        return share / company
