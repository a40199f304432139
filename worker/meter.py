"""Measures how fast the model of a lane works: what is learned from each task that ends (jobs/eta).

It counts seconds in steps of the engine, so that turns of other lanes do not count. Seconds of steps that many tasks
share are parted: answers that are written together have those that such steps usually take, and the prompts of which
something was read have the rest, by tokens. It belongs to the engine thread. It knows tasks and results; it does not
know engines.
"""

import time
from collections import Counter
from dataclasses import dataclass, replace

from jobs.eta import Paces
from jobs.eta.work import work_done
from jobs.results import Result, TextResult
from worker.task import Task

#: Tokens of an answer, and steps without reading, from which on it tells how fast answers are written.
_FEW, _FEW_STEPS = 8, 3


@dataclass(slots=True)
class _Written:
    """Steps in which answers were written, and of those that read nothing: their number, seconds and answers.

    `places`: of the answers' caches together, all as long as the longest.
    """

    steps: int = 0
    plain: int = 0
    seconds: float = 0.0
    answers: int = 0
    places: int = 0


@dataclass(slots=True)
class _Marks:
    """What the meter showed when a task began, and when the first of its answer was written."""

    worked: float
    began: float
    written: _Written | None = None
    #: seconds until then
    begins: float | None = None
    #: seconds in which its prompt was read
    reading: float = 0.0


class Meter:
    """Call `begin` for each task, `step` after each step, `writes` with its first delta, and `end`."""

    def __init__(self, paces: Paces) -> None:
        self._paces = paces
        self._marks: dict[str, _Marks] = {}
        self._writing = 0
        #: seconds of work for each task, where none writes, since ever
        self._worked = 0.0
        self._written = _Written()
        #: seconds of the last step
        self._last = 0.0

    def begin(self, task: Task) -> None:
        self._marks[task.id] = _Marks(self._worked, time.monotonic())

    def step(self, model: str, seconds: float, read: Counter[str] | None = None, longest: int = 0) -> None:
        """A step took so long, before what came of it is known.

        `read`: tokens of the prompts that were read in it, of an engine whose tasks are read and then written.
        `longest`: tokens of the longest that is written.
        """
        self._last = seconds
        if read is None:
            self._worked += seconds / max(1, len(self._marks))
            return
        writing, tokens, part = self._writing, read.total(), 0.0
        if writing:
            self._written.steps += 1
            if not tokens:
                self._written.plain += 1
                self._written.seconds += seconds
                self._written.answers += writing
                self._written.places += writing * longest
            usual = self._paces.of(model).write.at(writing, longest)
            part = min(seconds, seconds * writing / (writing + len(read)) if usual is None else usual)
        for task_id, number in read.items():
            if tokens and (marks := self._marks.get(task_id)) is not None:
                marks.reading += (seconds - part) * number / tokens

    def writes(self, task: Task) -> None:
        """The first of its answer has come."""
        marks = self._marks.get(task.id)
        if marks is not None and marks.written is None:
            marks.begins = time.monotonic() - marks.began
            marks.written = replace(self._written)
            self._writing += 1

    def forget(self, task: Task) -> _Marks | None:
        """It has ended, or was put back."""
        marks = self._marks.pop(task.id, None)
        if marks is not None and marks.written is not None:
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
            if (before := marks.written) is not None:
                paces.read.learn(usage.prompt_tokens - usage.cached_tokens, marks.reading)
                if written >= _FEW and (plain := self._written.plain - before.plain) >= _FEW_STEPS:
                    each = (self._written.seconds - before.seconds) / plain
                    answers = (self._written.answers - before.answers) / plain
                    places = (self._written.places - before.places) / plain
                    # The first token came with the last of the prompt. A draft model makes steps of several.
                    steps = (self._written.steps - before.steps) / (written - 1)
                    paces.write.learn(answers, places, each * steps)
        self._paces.learned(model)
