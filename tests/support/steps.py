"""Engines that a test steps itself, until tasks have ended."""

from collections.abc import Mapping
from typing import Any

from tests.support.events import plain
from tests.support.payloads import typed
from worker.engines.base import Done, Engine, Failed, Output


def until_ended(engine: Engine[Any], *tasks: str) -> dict[str, Done | Failed]:
    """How these tasks, and others meanwhile, have ended."""
    ended: dict[str, Done | Failed] = {}
    while not ended.keys() >= set(tasks):
        ended |= {each.task_id: each for each in engine.step() if isinstance(each, Done | Failed)}
        engine.tidy()
    return ended


def result_of(end: Output) -> dict[str, Any]:
    """The result of a task that has not failed."""
    assert isinstance(end, Done), end
    result: dict[str, Any] = plain(end.result)
    return result


def results(engine: Engine[Any], tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The results of tasks that run at the same time. None may fail."""
    for task, payload in tasks.items():
        engine.add(task, typed(payload), seed=1)
    ended = until_ended(engine, *tasks)
    return {task: result_of(ended[task]) for task in tasks}
