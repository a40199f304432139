"""How long prompts may be read beside rows that decode."""

from collections.abc import Callable

import pytest

from worker.engines.llm.rows.allowance import HOLD_STEPS, SHARE, STEPS, Allowance

STEP = 0.01


def read_beside(
    steps: int,
    *,
    takes: Callable[[float], float] = lambda granted: granted,
    least: float = 0.0,
    short: bool = False,
) -> list[float]:
    """Seconds of reading in each of these steps, which take STEP each; `short`: they read prompts."""
    allowance, now, read = Allowance(), 100.0, list[float]()
    for _ in range(steps):
        began, now = now, now + STEP
        seconds = allowance.claim(began, plain=not short, weight=1.0, least=least)
        read.append(0.0 if seconds is None else takes(seconds))
        if seconds is not None:
            allowance.spend(read[-1])
        now += read[-1]
    return read


def test_reading_takes_its_share_of_the_time() -> None:
    read = read_beside(1000)
    assert sum(read) == pytest.approx(SHARE * 1000 * STEP, rel=0.05)
    assert max(read) == pytest.approx(STEPS * SHARE * STEP)
    assert sorted(read)[len(read) // 2] == 0.0, "most steps are not delayed at all"


def test_a_piece_that_takes_longer_than_expected_is_made_up_for() -> None:
    read = read_beside(1000, takes=lambda granted: 3 * granted)
    assert sum(read) == pytest.approx(SHARE * 1000 * STEP, rel=0.1)


def test_a_smallest_piece_that_takes_long_is_read_rarely() -> None:
    read = read_beside(1000, takes=lambda granted: max(granted, 0.1), least=0.1)
    assert {round(seconds, 6) for seconds in read if seconds} == {0.1}
    assert sum(read) == pytest.approx(SHARE * 1000 * STEP, rel=0.1)


def test_short_prompts_in_every_step_do_not_keep_a_long_one_from_being_read() -> None:
    pauses = "".join("r" if seconds else "." for seconds in read_beside(200, short=True)).split("r")
    assert len(pauses) > 200 / (HOLD_STEPS + STEPS + 1)
