"""The tasks that a lane's engine serves now. It belongs to the engine thread; other threads may read `tasks`."""

import contextlib
import time
from typing import Any

from redis.exceptions import RedisError

from jobs.consumer.outbox import Message
from jobs.consumer.queue import ConsumedQueue
from jobs.errors import MlxqError
from jobs.gate import Ending
from jobs.kinds import TEXTS
from jobs.results import Result
from worker.engines.base import (
    CarefulEngine,
    Delta,
    Done,
    Engine,
    Failed,
    Output,
    PausingEngine,
    ReadingEngine,
    YieldingEngine,
)
from worker.meter import Meter
from worker.slots import Slot
from worker.task import Task


class RunningTasks:
    """Keeps the tasks and their engine in step: a task is in both or in neither."""

    def __init__(self, slot: Slot, queue: ConsumedQueue, meter: Meter) -> None:
        self._slot = slot
        self._meter = meter
        self._queue = queue
        self._tasks: dict[str, Task] = {}
        #: when its last step ended, and when it last made progress, on the monotonic clock
        self._ended = self._advanced = 0.0

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def tasks(self) -> list[Task]:
        return list(self._tasks.values())

    @property
    def ids(self) -> list[str]:
        return list(self._tasks)

    def add(self, task: Task) -> None:
        """Have the engine serve this task. Raises what the engine raises."""
        engine = self.engine
        if isinstance(engine, CarefulEngine):
            engine.be_careful(task.claim.suspect)
        if task.is_background and isinstance(engine, YieldingEngine):
            engine.give_way(task.id)
        began = time.monotonic()
        try:
            engine.add(task.id, task.claim.payload, task.seed)
        except BaseException:
            engine.remove(task.id)
            raise
        task.start(began)
        self._meter.begin(task)
        self._tasks[task.id] = task
        if task.left_at is not None:
            self.linger(task, True)

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for the first of an answer."""
        return any(task.is_urgent for task in self._tasks.values())

    @property
    def yields(self) -> bool:
        """Whether all are of the background."""
        return all(task.is_background for task in self._tasks.values())

    @property
    def works(self) -> bool:
        """Whether a step would do anything."""
        if any(task.left_at is None for task in self._tasks.values()):
            return True
        return bool(self._tasks) and not (isinstance(self.engine, PausingEngine) and self.engine.idle)

    def linger(self, task: Task, lingers: bool) -> None:
        """The client of a task has left, or is back. Engines that can't pause just go on."""
        if lingers:
            task.client_left()
        else:
            task.client_back()
        if task.id in self._tasks and isinstance(engine := self.engine, PausingEngine):
            if lingers:
                engine.pause(task.id)
            else:
                engine.resume(task.id)

    def remove(self, execution_id: str) -> Task | None:
        """Stop serving a task. None: it is not served."""
        task = self._tasks.pop(execution_id, None)
        if task is not None:
            self._meter.forget(task)
            self.engine.remove(execution_id)
        return task

    def step(self) -> None:
        """One step of the engine, and what came of it on its way. Raises what the engine raises."""
        engine = self.engine
        began = time.monotonic()
        outputs = engine.step()
        self._ended = time.monotonic()
        read, longest = (engine.read, engine.longest) if isinstance(engine, ReadingEngine) else (None, 0)
        self._meter.step(self._slot.model or "", self._ended - began, read, longest)
        self._report(outputs)
        engine.tidy()

    def expire(self) -> None:
        """End the tasks that had reached a limit of time when the last step ended."""
        for task in self.tasks:
            if (error := task.limit_reached(self._ended, self._advanced)) is not None:
                self.remove(task.id)
                self.end(task, error=error)

    def end(self, task: Task, result: Result | None = None, error: MlxqError | None = None) -> None:
        """End a task whose engine does not serve it, or is about to be unloaded."""
        self._tasks.pop(task.id, None)
        self._meter.forget(task)
        self._queue.put([task.ending(result, error)])

    def release(self, task: Task, suspicion: str = "") -> bool:
        """Put a task's job back into its queue, with a `suspicion` to run alone. False: that could not be done."""
        with contextlib.suppress(RedisError, OSError):
            if self._queue.release(task.id, suspicion):
                self._tasks.pop(task.id, None)
                self._meter.forget(task)
                return True
        return False

    def disperse(self) -> bool:
        """Put all tasks back to run alone: one of them has made the engine fail. False for a task that is alone."""
        tasks = self.tasks
        return len(tasks) > 1 and all([self.release(task, tasks[0].id) for task in reversed(tasks)])

    @property
    def engine(self) -> Engine[Any]:
        engine = self._slot.engine
        assert engine is not None, "tasks run only while a model is loaded"
        return engine

    def _report(self, outputs: list[Output]) -> None:
        now = self._ended
        if outputs:
            self._advanced = now
        batch: list[Message | Ending] = []
        for output in outputs:
            task = self._tasks.get(output.task_id)
            if task is None:
                continue
            if not task.writes and type(output) is Delta:
                task.writes = True
                if task.claim.kind in TEXTS:
                    self._meter.writes(task)
            batch += task.report(output, now)
            if isinstance(output, Done | Failed):
                del self._tasks[task.id]
                if isinstance(output, Done):
                    self._meter.end(task, self._slot.model or "", output.result)
                else:
                    self._meter.forget(task)
        if batch:
            self._queue.put(batch)
