"""Which background requests stand still, so that more urgent ones have their places.

What they have read and made stays in memory, and they go on where they stopped. This module knows requests and rows.
It does not know tokens or payloads. It belongs to its model's thread.
"""

from collections.abc import Collection, Iterable, Mapping

from worker.engines.llm.request import TextRequest
from worker.engines.llm.rows.solo import Solo


class Aside:
    """Call `settle` before each step."""

    def __init__(self, capacity: int) -> None:
        """`capacity`: rows that a batch decodes together."""
        self._capacity = capacity
        self._background: set[str] = set()
        #: those that stand still
        self._still: dict[str, None] = {}

    def __contains__(self, task_id: str) -> bool:
        """Whether the request gives way to others."""
        return task_id in self._background

    def add(self, task_id: str) -> None:
        """This request gives way to others."""
        self._background.add(task_id)

    def remove(self, task_id: str) -> None:
        self._background.discard(task_id)
        self._still.pop(task_id, None)

    @property
    def still(self) -> Iterable[str]:
        """The requests that stand still."""
        return tuple(self._still)

    def settle(self, tasks: Mapping[str, TextRequest], paused: Collection[str]) -> None:
        """Set requests aside where others need their rows' places, the newest first, or have some go on.

        `paused`: requests that stand still for another reason.
        """
        if not self._background:
            return
        for runner in {task.runner for task in tasks.values()}:
            own = [task for task in tasks.values() if task.runner is runner]
            urgent = sum(len(task.rows) for task in own if task.id not in self._background)
            room = (1 if isinstance(runner, Solo) else self._capacity) - urgent
            for task in own:
                if task.id not in self._background:
                    continue
                room -= len(task.rows)
                if urgent and room < 0:
                    self._stop(task)
                elif task.id in self._still:
                    self._go_on(task, paused)

    def _stop(self, task: TextRequest) -> None:
        """Set aside the rows that decode, and those that wait for a place. One that is being read follows."""
        for row in task.rows.values():
            if task.runner.can_pause(row):
                self._still[task.id] = None
                task.runner.pause(row)

    def _go_on(self, task: TextRequest, paused: Collection[str]) -> None:
        del self._still[task.id]
        if task.id not in paused:
            for row in task.rows.values():
                task.runner.resume(row)
