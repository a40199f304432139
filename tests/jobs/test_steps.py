"""What steps of answers take, by how many and how long they are."""

import math

import pytest

from jobs.eta.steps import Steps


def learned(*kinds: tuple[int, int], fixed: float, answer: float, place: float) -> Steps:
    """From 20 steps of each kind: answers and tokens of the longest."""
    steps = Steps()
    for number in range(20 * len(kinds)):
        answers, longest = kinds[number % len(kinds)]
        steps.learn(answers, answers * longest, fixed + answers * (answer + longest * place))
    return steps


def test_a_long_answer_makes_the_steps_of_all_longer() -> None:
    rates = {"fixed": 0.01, "answer": 0.003, "place": 7e-6}
    steps = learned((1, 50), (4, 100), (16, 100), (12, 1800), **rates)
    assert steps.at(30, 100) == pytest.approx(0.01 + 30 * (0.003 + 100 * 7e-6), rel=0.05)
    assert steps.at(30, 2000) == pytest.approx(0.01 + 30 * (0.003 + 2000 * 7e-6), rel=0.05)


def test_where_answers_were_alone_more_of_them_take_a_little_longer() -> None:
    steps = learned((1, 100), fixed=0.02, answer=0.0, place=0.0)
    assert steps.at(1, 100) == pytest.approx(0.02)
    assert 0.02 < (steps.at(32, 100) or 0) < 0.16
    assert Steps().at(1, 100) is None


def test_many_of_one_kind_do_not_make_it_forget_others() -> None:
    rates = {"fixed": 0.01, "answer": 0.003, "place": 7e-6}
    steps = learned((16, 100), (12, 1800), **rates)
    for _ in range(1000):
        steps.learn(1, 60, 0.01 + 0.003 + 60 * 7e-6)
    assert steps.at(16, 1000) == pytest.approx(0.01 + 16 * (0.003 + 1000 * 7e-6), rel=0.1)


def test_no_rate_is_below_zero() -> None:
    """Whatever the times are: fewer answers never take longer."""
    steps = Steps()
    for answers, places, seconds in ((1, 50, 0.1), (2, 4000, 0.02), (30, 3000, 0.05), (8, 8000, 0.01)):
        steps.learn(answers, places, seconds)
    rates = (steps.fixed, steps.answer, steps.place)
    assert min(rates) >= 0
    assert all(map(math.isfinite, rates))
    assert (steps.at(1, 10) or 0) > 0
