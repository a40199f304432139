"""What is learned of a model's pace from the steps of a lane."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.eta import Paces
from jobs.results import Choice, TextResult, TextUsage, Timings
from tests.support.payloads import typed
from worker.meter import Meter


class Lane:
    """Its steps: `read` tokens of prompts, while those that have begun write."""

    def __init__(self) -> None:
        self.paces = Paces("here")
        self._meter = Meter(self.paces)

    def begin(self, name: str) -> Any:
        claim = SimpleNamespace(app="notes", size=100, payload=typed({"messages": []}))
        task = SimpleNamespace(id=name, claim=claim)
        self._meter.begin(task)  # type: ignore[arg-type]
        return task

    def step(self, seconds: float, **read: int) -> None:
        self._meter.step("model", seconds, Counter(read))

    def writes(self, task: Any) -> None:
        self._meter.writes(task)

    def ends(self, task: Any, *, prompt: int, tokens: int) -> None:
        usage = TextUsage(prompt_tokens=prompt, completion_tokens=tokens, cached_tokens=0)
        choice = Choice(index=0, text="", finish_reason="stop")
        result = TextResult(choices=[choice], usage=usage, timings=Timings(0.0, 0.0))
        self._meter.end(task, "model", result)


def test_a_prompt_that_waits_for_another_takes_no_longer() -> None:
    lane = Lane()
    first, second = lane.begin("first"), lane.begin("second")
    lane.step(1.0, first=1000)
    lane.writes(first)
    lane.ends(first, prompt=1000, tokens=1)
    lane.step(2.0, second=2000)
    lane.writes(second)
    lane.ends(second, prompt=2000, tokens=1)
    read = lane.paces.of("model").read
    assert read.at(1000) == pytest.approx(1.0)
    assert read.at(2000) == pytest.approx(2.0)


def test_answers_take_no_longer_beside_prompts() -> None:
    """Only their steps do, which read as well."""
    lane = Lane()
    answers = [lane.begin(name) for name in ("one", "other")]
    lane.step(0.02, one=10, other=10)
    for each in answers:
        lane.writes(each)
    late = lane.begin("late")
    for _ in range(10):
        lane.step(0.1)
        lane.step(0.1)
        lane.step(0.6, late=100)
    for each in answers:
        lane.ends(each, prompt=10, tokens=31)
    lane.writes(late)
    lane.ends(late, prompt=1000, tokens=1)
    paces = lane.paces.of("model")
    assert paces.write.at(2, 0) == pytest.approx(0.1, rel=0.01)
    # The pace of two answers was not known before.
    assert 0 < (paces.read.at(1000) or 0) <= 6.0


def test_each_of_several_tasks_that_are_not_written_has_its_part_of_a_step() -> None:
    lane = Lane()
    lane.begin("one")
    lane.begin("other")
    lane._meter.step("model", 1.0)
    assert lane._meter._worked == pytest.approx(0.5)
