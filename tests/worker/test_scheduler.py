"""Turns on one device: shares of time, nobody starves, nobody waits for those who have nothing to do."""

import threading
from collections import defaultdict

import pytest

from worker.scheduler import DeviceScheduler


class Clock:
    """Time that passes only inside turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """Lanes on threads of their own, each of whose steps takes its time on a clock that stands still otherwise."""

    def __init__(self) -> None:
        self.clock = Clock()
        # Threads of a test may be slow to come back.
        self.scheduler = DeviceScheduler("chat", 0.8, self.clock, grace=10)
        self.used: dict[str, float] = defaultdict(float)
        self.order: list[str] = []
        self.overlaps = 0
        self._inside = 0

    def race(self, until: float, **steps: float) -> None:
        """Lanes by name, with the time that each of their steps takes, all at once until that time."""
        threads = [self._lane(name, step, until) for name, step in steps.items()]
        for name in steps:
            self.scheduler.begin(name)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()

    def _lane(self, name: str, step: float, until: float) -> threading.Thread:
        def work() -> None:
            while self.clock.now < until:
                with self.scheduler.turn(name):
                    self._inside += 1
                    self.overlaps += self._inside > 1
                    self.clock.now += step
                    self.used[name] += step
                    self.order.append(name)
                    self._inside -= 1
            self.scheduler.rest(name)

        return threading.Thread(target=work)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_busy_chat_gets_its_share_of_the_time_beside_long_steps(bench: Bench) -> None:
    bench.race(400, chat=1, image=10)
    assert bench.overlaps == 0
    assert bench.used["chat"] / bench.clock.now == pytest.approx(0.8, abs=0.05)


def test_the_others_share_what_is_left(bench: Bench) -> None:
    bench.race(1000, chat=1, image=10, speech=5)
    assert bench.used["chat"] / bench.clock.now == pytest.approx(0.8, abs=0.06)
    assert bench.used["image"] / bench.clock.now == pytest.approx(0.1, abs=0.04)
    assert bench.used["speech"] / bench.clock.now == pytest.approx(0.1, abs=0.04)


def test_without_a_chat_the_others_share_evenly(bench: Bench) -> None:
    bench.race(400, image=10, speech=3)
    assert bench.used["image"] / bench.clock.now == pytest.approx(0.5, abs=0.06)


def test_who_had_nothing_to_do_gets_no_credit_for_it(bench: Bench) -> None:
    with bench.scheduler.turn("chat"):
        bench.clock.now += 1
    bench.scheduler.rest("chat")
    while bench.clock.now < 100:
        with bench.scheduler.turn("image"):
            bench.clock.now += 10
    bench.scheduler.rest("image")
    start = len(bench.order)

    bench.race(300, chat=1, image=10)
    # The image comes to its turns while the chat is busy, long before 100 s of the chat have passed.
    assert "image" in bench.order[start : start + 60]


def test_nobody_waits_for_a_lane_that_rests_or_stays_away_too_long() -> None:
    scheduler = DeviceScheduler("chat", 0.8)
    scheduler.begin("chat")
    done = threading.Event()

    def one_turn() -> None:
        with scheduler.turn("image"):
            done.set()

    thread = threading.Thread(target=one_turn)
    thread.start()
    assert done.wait(60)
    thread.join()


def test_a_turn_ends_when_its_step_fails(bench: Bench) -> None:
    with pytest.raises(RuntimeError), bench.scheduler.turn("chat"):
        raise RuntimeError("boom")
    bench.scheduler.rest("chat")
    with bench.scheduler.turn("image"):
        pass


def test_lanes_of_the_background_wait_while_somebody_waits_for_an_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As long as the threads of a test may take between two turns.
    monkeypatch.setattr("worker.scheduler.YIELD", 60.0)
    scheduler = bench.scheduler

    def paint() -> None:
        with scheduler.turn("image", yields=True):
            bench.order.append("image")
        scheduler.rest("image")

    painter = threading.Thread(target=paint)
    with scheduler.turn("chat", urgent=True):
        painter.start()
        bench.clock.now += 1
    for number in range(3):
        with scheduler.turn("chat", urgent=True):
            bench.clock.now += 1
            bench.order.append(f"urgent {number}")
    with scheduler.turn("chat"):
        pass
    scheduler.rest("chat")
    painter.join(60)
    assert bench.order == ["urgent 0", "urgent 1", "urgent 2", "image"]
