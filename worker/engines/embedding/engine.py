"""The engine of vectors and of ranks: each step computes some texts of every running request.

This module knows requests and rows of numbers. It does not know what they mean, nor jobs, Redis or HTTP. One thread
owns an engine.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import mlx.core as mx
import numpy as np

from config.settings import Settings
from jobs.errors import EngineFailure
from jobs.payloads import Payload
from worker.engines.base import Done, Failed, Output, Progress
from worker.engines.embedding.padding import group
from worker.engines.embedding.texts import Request, Row, Text, TextModel
from worker.engines.failures import failure_of
from worker.engines.weights import weight_bytes

#: Seconds that a step should take: requests join and cancellations are seen between two steps.
STEP_SECONDS = 0.1
#: Tokens of a step: as many as fit STEP_SECONDS on this machine, but at least one text, between these.
FEWEST_TOKENS, MOST_TOKENS = 64, 16384
#: Tokens of the first steps, before the machine's speed is known.
FIRST_TOKENS = 1024
#: Fixed cost of one pass of the model, in tokens: measured on a CPU, estimated for a GPU.
PASS_ON_CPU, PASS_ON_GPU = 32, 512
#: Characters of all requests that are tokenised in one step.
READ_CHARACTERS = 65536


@dataclass(slots=True, eq=False)
class _Task:
    """One request: texts not yet read, texts not yet computed (the shortest last)."""

    id: str
    request: Request
    read: int = 0
    done: int = 0
    tokens: int = 0
    texts: list[tuple[Text, int]] = field(default_factory=list)
    #: tokens of `texts`
    waiting: int = 0

    @property
    def total(self) -> int:
        return len(self.request)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Text `index` of a task."""

    task: _Task
    index: int
    text: Text


class TextEngine:
    """A model and the requests that it runs."""

    def __init__(self, model: TextModel, settings: Settings) -> None:
        self.capacity = settings.batch_size
        self.context_length = model.context_length
        self.memory_bytes = weight_bytes(model.module)
        self._model = model
        self._tasks: dict[str, _Task] = {}
        #: the order in which requests get texts computed
        self._turns: deque[_Task] = deque()
        self._budget = FIRST_TOKENS
        on_cpu = mx.default_device() == mx.Device(mx.cpu)
        self._overhead = PASS_ON_CPU if on_cpu else PASS_ON_GPU

    def add(self, task_id: str, payload: Payload, seed: int) -> None:
        task = _Task(task_id, self._model.request(payload))
        self._read(task, READ_CHARACTERS)
        self._tasks[task_id] = task
        self._turns.append(task)

    def remove(self, task_id: str) -> None:
        task = self._tasks.pop(task_id, None)
        if task is not None:
            self._turns.remove(task)

    def step(self) -> list[Output]:
        outputs = self._read_on()
        chosen = self._choose()
        if not chosen:
            return outputs
        began = time.monotonic()
        rows = self._compute([each.text for each in chosen])
        self._learn(sum(len(each.text) for each in chosen), time.monotonic() - began)
        return outputs + self._hand_out(chosen, rows)

    def tidy(self) -> None:
        if not self._tasks:
            mx.clear_cache()

    def close(self) -> None:
        self._tasks.clear()
        self._turns.clear()
        del self._model

    def _read_on(self) -> list[Output]:
        """Tokenise more of the requests that would not fill a step; those that can't be read fail."""
        outputs: list[Output] = []
        hungry = [
            task for task in self._tasks.values() if task.read < task.total and task.waiting < self._budget
        ]
        for task in hungry:
            try:
                self._read(task, READ_CHARACTERS // len(hungry))
            except Exception as error:
                self.remove(task.id)
                outputs.append(Failed(task.id, failure_of(error, "a request could not be read")))
        return outputs

    def _read(self, task: _Task, characters: int) -> None:
        """Tokenise the next texts of a request, at least one. Raises InvalidRequest."""
        end = task.read
        while end < task.total and (characters > 0 or end == task.read):
            characters -= task.request.size(end)
            end += 1
        for index, text in enumerate(task.request.read(task.read, end), task.read):
            task.texts.append((text, index))
            task.tokens += len(text)
            task.waiting += len(text)
        task.read = end
        task.texts.sort(key=lambda text: -len(text[0]))

    def _choose(self) -> list[_Chosen]:
        """The texts of this step: one of each request in turn until the step is full.

        A request whose text had no room is the first in the next step.
        """
        chosen: list[_Chosen] = []
        room = self._budget
        passed = 0
        waits: _Task | None = None
        while passed < len(self._turns):
            task = self._turns[0]
            if task.texts and (not chosen or len(task.texts[-1][0]) <= room):
                text, index = task.texts.pop()
                task.waiting -= len(text)
                room -= len(text)
                chosen.append(_Chosen(task, index, text))
                passed = 0
            else:
                waits = waits or (task if task.texts else None)
                passed += 1
            self._turns.rotate(-1)
        if waits is not None:
            self._turns.rotate(-self._turns.index(waits))
        return chosen

    def _compute(self, texts: Sequence[Text]) -> list[Row]:
        """The row of each text, in order."""
        groups = group([len(text) for text in texts], self._overhead)
        computed = [self._model.forward([texts[place] for place in places]) for places in groups]
        mx.eval(computed)
        rows: list[Row] = [np.empty(0, np.float32)] * len(texts)
        for places, found in zip(groups, computed, strict=True):
            for place, row in zip(places, np.array(found), strict=True):
                rows[place] = row
        return rows

    def _learn(self, tokens: int, seconds: float) -> None:
        """Adapt the size of the next step to the speed of this one; short steps count less."""
        if 2 * tokens >= self._budget or seconds > STEP_SECONDS:
            fitting = int(tokens * STEP_SECONDS / max(seconds, 1e-6))
            self._budget = max(FEWEST_TOKENS, min((self._budget + fitting) // 2, MOST_TOKENS))

    def _hand_out(self, chosen: list[_Chosen], rows: list[Row]) -> list[Output]:
        touched: dict[str, _Task] = {}
        outputs: list[Output] = []
        for each, row in zip(chosen, rows, strict=True):
            task = each.task
            if task.id not in self._tasks:
                continue
            if not np.isfinite(row).all():
                self.remove(task.id)
                failure = EngineFailure(f"The model made no numbers of '{task.request.param}[{each.index}]'.")
                outputs.append(Failed(task.id, failure))
                continue
            task.request.keep(each.index, row)
            task.done += 1
            touched[task.id] = task
        for task in touched.values():
            if task.id not in self._tasks:
                continue
            if task.done == task.total:
                self.remove(task.id)
                outputs.append(Done(task.id, task.request.result(task.tokens)))
            else:
                outputs.append(Progress(task.id, task.done, task.total, "texts"))
        return outputs
