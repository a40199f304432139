"""How long a queue has executions at a time, and how long it then has none: what may come is foreseen by it.

It knows seconds of one monotonic clock. It does not know jobs.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from jobs.worker_state import Periods

#: Seconds without executions that are no pause: the next job is on its way.
_BETWEEN = 0.25
#: Weight of the last period in a mean, and the shortest that is told apart.
_NEWS, _LEAST = 0.25, 0.01


class BusyPeriods:
    """Call `changed` after each change. Any thread may use it."""

    def __init__(self, busy: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        """`busy`: whether there are executions now."""
        self._is_busy, self._clock = busy, clock
        self._lock = threading.Lock()
        self._working = False
        #: since when it has executions, or has none
        self._since = clock()
        #: when the busy period began that has not been followed by a pause
        self._period_at: float | None = None
        self._worked = 0.0
        self._busy = self._idle = _Mean()

    @property
    def worked(self) -> float:
        """Seconds in which there were executions, since ever."""
        with self._lock:
            return self._worked + (self._clock() - self._since if self._working else 0.0)

    @property
    def idle_since(self) -> float:
        """Since when there are none, where there are none."""
        return self._since

    def changed(self) -> None:
        """Executions have come or ended."""
        with self._lock:
            # It is asked here: of two changes at the same time the last one sees both.
            if (working := self._is_busy()) == self._working:
                return
            now = self._clock()
            passed = now - self._since
            if not working:
                self._worked += passed
            elif self._period_at is None:
                # The pause before it began with this process.
                self._period_at = now
            elif passed > _BETWEEN:
                self._learn(self._since - self._period_at, passed)
                self._period_at = now
            self._working, self._since = working, now

    @property
    def usual(self) -> Periods:
        """Geometric means: a night without jobs is forgotten soon. What is under way counts once it is longer."""
        with self._lock:
            if self._period_at is None:
                return Periods()
            now = self._clock()
            busy = (now if self._working else self._since) - self._period_at
            idle = 0.0 if self._working else now - self._since
            return Periods(self._busy.followed(busy, longer=True), self._idle.followed(idle, longer=True))

    def _learn(self, busy: float, pause: float) -> None:
        self._busy = _Mean(self._busy.followed(busy), self._busy.seen + 1)
        self._idle = _Mean(self._idle.followed(pause), self._idle.seen + 1)


@dataclass(frozen=True, slots=True)
class _Mean:
    """A geometric mean of seconds, which follows the last ones."""

    seconds: float = 0.0
    seen: int = 0

    def followed(self, seconds: float, *, longer: bool = False) -> float:
        """The mean with one more; with `longer` only where it is longer than the mean."""
        if not self.seen:
            return seconds
        if longer and seconds <= self.seconds:
            return self.seconds
        news = max(_NEWS, 1 / (self.seen + 1))
        return math.exp(
            (1 - news) * math.log(max(self.seconds, _LEAST)) + news * math.log(max(seconds, _LEAST))
        )
