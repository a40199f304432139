"""Whose turn it is among the tasks of an engine that serves one at a time: background tasks stand still for others.

Each task has random state of its own, so that its result does not depend on who came between. This module knows tasks
by their ids. It belongs to the thread of its engine.
"""

from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import mlx.core as mx

from worker.engines.base import Alive, Output


class Turn(Protocol):
    """A task that an engine serves."""

    @property
    def id(self) -> str: ...

    @property
    def rests(self) -> bool:
        """Whether another task may be served before its next step."""


T = TypeVar("T", bound=Turn)


class Turns(Generic[T]):
    """The tasks of one engine."""

    def __init__(self) -> None:
        self._tasks: dict[str, T] = {}
        self._background: set[str] = set()
        self._current: T | None = None
        #: the random states of tasks that are not served now
        self._random: dict[str, mx.array] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._tasks.values()))

    def give_way(self, task_id: str) -> None:
        """The task of this id, which is about to come, gives way to others."""
        self._background.add(task_id)

    def add(self, task: T, seed: int) -> None:
        """Serve this task too; `seed` is that of MLX' random numbers."""
        self._tasks[task.id] = task
        self._random[task.id] = mx.random.key(seed % 2**64)

    def remove(self, task_id: str) -> T | None:
        """Serve the task no more. None: it is not served."""
        self._background.discard(task_id)
        self._random.pop(task_id, None)
        task = self._tasks.pop(task_id, None)
        if task is not None and task is self._current:
            self._current = None
        return task

    def step(self, advance: Callable[[T], list[Output]]) -> list[Output]:
        """The outputs of a step: those of the task whose turn it is, and a sign of life of the others."""
        task = self._next()
        if task is None:
            return []
        outputs = advance(task)
        return [*outputs, *(Alive(other.id) for other in self._tasks.values() if other is not self._current)]

    def _next(self) -> T | None:
        if self._current is not None and not self._current.rests:
            return self._current
        urgent = (task for task in self._tasks.values() if task.id not in self._background)
        chosen = next(urgent, None) or next(iter(self._tasks.values()), None)
        if chosen is not None and chosen is not self._current:
            random: Any = mx.random.state
            if self._current is not None:
                self._random[self._current.id] = mx.array(random[0])
            random[0][:] = self._random.pop(chosen.id)
            self._current = chosen
        return chosen
