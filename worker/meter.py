"""Measures how fast the model of a lane works: what is learned from each task that ends (jobs/eta).

It counts seconds in steps of the engine, so that turns of other lanes do not count. Seconds of steps that many tasks
share are parted: answers that are written together have those that such steps usually take, and what is read or made
beside them has the rest. It belongs to the engine thread. It knows tasks and results; it does not know engines.
"""

import time
from dataclasses import dataclass

from jobs.eta import Paces
from jobs.eta.work import work_done
from jobs.results import Result, TextResult
from worker.task import Task

#: Tokens of an answer from which on it tells how fast answers are written.
_FEW = 8


@dataclass(slots=True)
class _Marks:
    """What the meter showed when a task began, and when the first of its answer was written."""

    worked: float
    began: float
    wrote: float | None = None
    #: seconds until then
    begins: float | None = None
    #: seconds of work until then
    reading: float = 0.0
    rows: float = 0.0


class Meter:
    """Call `begin` for each task, `step` after each step, `writes` with its first delta, and `end`."""

    def __init__(self, paces: Paces) -> None:
        self._paces = paces
        self._marks: dict[str, _Marks] = {}
        self._writing = 0
        #: seconds of work for each task that does not write, since ever
        self._worked = 0.0
        #: seconds in which answers were written, and the same by the number of answers
        self._wrote = self._rows = 0.0
        #: seconds of the last step
        self._last = 0.0

    def begin(self, task: Task) -> None:
        self._marks[task.id] = _Marks(self._worked, time.monotonic())

    def step(self, model: str, seconds: float) -> None:
        """A step took so long, before what came of it is known."""
        self._last = seconds
        writing, others = self._writing, len(self._marks) - self._writing
        if not writing:
            self._worked += seconds / max(1, others)
            return
        part = seconds
        if others:
            usual = self._paces.of(model).write.at(writing, 0.5)
            part = min(seconds, seconds * writing / (writing + others) if usual is None else usual)
            self._worked += (seconds - part) / others
        self._wrote += part
        self._rows += part * writing

    def writes(self, task: Task) -> None:
        """The first of its answer has come."""
        marks = self._marks.get(task.id)
        if marks is not None and marks.wrote is None:
            marks.reading = self._worked - marks.worked
            marks.begins = time.monotonic() - marks.began
            marks.wrote, marks.rows = self._wrote, self._rows
            self._writing += 1

    def forget(self, task: Task) -> _Marks | None:
        """It has ended, or was put back."""
        marks = self._marks.pop(task.id, None)
        if marks is not None and marks.wrote is not None:
            self._writing -= 1
        return marks

    def end(self, task: Task, model: str, result: Result) -> None:
        """It has ended with this result."""
        marks = self.forget(task)
        if marks is None:
            return
        paces, claim = self._paces.of(model), task.claim
        if not isinstance(result, TextResult):
            size, worked = work_done(claim.payload, claim.size, result), self._worked - marks.worked
            paces.work.learn(size, worked)
            paces.last.learn(size, min(self._last, worked))
        else:
            usage, written = result.usage, result.usage.completion_tokens
            limited = any(choice.finish_reason == "length" for choice in result.choices)
            paces.note(
                claim.app,
                claim.size,
                usage.prompt_tokens,
                usage.cached_tokens,
                written,
                limited=limited,
                begins=marks.begins,
            )
            if marks.wrote is not None:
                paces.read.learn(usage.prompt_tokens - usage.cached_tokens, marks.reading)
            if marks.wrote is not None and written >= _FEW and (wrote := self._wrote - marks.wrote) > 0:
                # The first token came with the last of the prompt.
                paces.write.learn((self._rows - marks.rows) / wrote, wrote / (written - 1))
        self._paces.learned(model)
