"""Which job of a category is next while others run: the most urgent class, in it the app that had least time.

It does what `lines.lua` and `choose.lua` do, with the seconds that jobs are expected to run. It does not know the
device.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from jobs.queue.order import FIRST, LineName
from jobs.service_class import CLASSES, ServiceClass, service_class

#: How much the last run counts for what is supposed of a job (jobs/gate/states.lua), and how far ahead one that runs
#: longer is charged (jobs/gate/beat.lua).
_NEWEST, _AHEAD = 0.2, 1.5


class Waiter(Protocol):
    """A job. `share`: the app that its time is charged to. `charged`: seconds that it was charged with."""

    service_class: str
    share: str
    first: bool
    charged: float


T = TypeVar("T", bound=Waiter)


class Turns(Generic[T]):
    """The waiting jobs of a category, in their lines."""

    def __init__(
        self, waiting: Iterable[T] = (), starts: Mapping[LineName, float] | None = None, usual: float = 1.0
    ) -> None:
        """`waiting`: in the order of their lines. `usual`: seconds that a job is supposed to run.

        `starts`: the virtual second in which the next job of a line starts.
        """
        self._starts = dict(starts or {})
        self._usual = usual
        self._lines: dict[LineName, deque[T]] = {}
        for each in waiting:
            self._lines.setdefault(self._line_of(each), deque()).append(each)

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __iter__(self) -> Iterator[T]:
        for line in self._lines.values():
            yield from line

    @property
    def is_interactive(self) -> bool:
        """Whether the next job is."""
        return any(service is ServiceClass.INTERACTIVE for service, _ in self._lines)

    def take(self) -> T:
        """The next job, which begins to run."""
        name = min(self._lines, key=lambda name: (CLASSES.index(name[0]), self._start(name)))
        line = self._lines[name]
        job = line.popleft()
        if not line:
            del self._lines[name]
        job.charged = self._usual
        self._charge(job, self._usual)
        return job

    def runs(self, job: T, seconds: float) -> None:
        """It has run so long by now."""
        if seconds > job.charged:
            self._charge(job, seconds + _AHEAD - job.charged)
            job.charged = seconds + _AHEAD

    def ended(self, job: T, seconds: float) -> None:
        """It has run so long altogether."""
        self._charge(job, seconds - job.charged)
        self._usual += _NEWEST * (seconds - self._usual)

    def _charge(self, job: T, seconds: float) -> None:
        name = service_class(job.service_class), job.share
        self._starts[name] = self._starts.get(name, 0.0) + seconds

    def _start(self, name: LineName) -> float:
        return float("-inf") if name[1] == FIRST else self._starts.get(name, 0.0)

    @staticmethod
    def _line_of(job: Waiter) -> LineName:
        return service_class(job.service_class), FIRST if job.first else job.share
