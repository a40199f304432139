"""How long a queue is busy and idle, as it is learned."""

import pytest

from jobs.consumer.busy_periods import BusyPeriods
from jobs.worker_state import Periods


class Queue:
    """`now` is its clock; `works` and `rests` let it be busy or idle for so many seconds."""

    def __init__(self) -> None:
        self.now, self.busy = 100.0, False
        self.periods = BusyPeriods(lambda: self.busy, lambda: self.now)

    def works(self, seconds: float) -> "Queue":
        return self._pass(seconds, busy=True)

    def rests(self, seconds: float) -> "Queue":
        return self._pass(seconds, busy=False)

    def _pass(self, seconds: float, *, busy: bool) -> "Queue":
        self.busy = busy
        self.periods.changed()
        self.now += seconds
        return self


def test_nothing_is_known_before_the_first_job() -> None:
    assert Queue().rests(50).periods.usual == Periods()


def test_a_pause_is_known_once_it_has_begun() -> None:
    """The one before the first job began with the process: it tells nothing."""
    queue = Queue().rests(50).works(4)
    assert queue.periods.usual == Periods(busy=4)
    assert queue.rests(30).periods.usual == Periods(busy=4, idle=30)
    assert queue.works(1).periods.usual == Periods(busy=4, idle=30)


def test_jobs_that_follow_each_other_are_one_period() -> None:
    queue = Queue()
    for _ in range(10):
        queue.works(2).rests(0.01)
    queue.rests(5)
    assert queue.periods.usual.busy == pytest.approx(20, abs=0.2)
    assert queue.periods.worked == pytest.approx(20)


def test_a_night_without_jobs_is_forgotten_soon() -> None:
    queue = Queue().works(1).rests(10_000)
    for _ in range(10):
        queue.works(1).rests(2)
    assert queue.works(1).periods.usual.idle < 5
