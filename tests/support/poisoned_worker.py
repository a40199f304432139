"""`python -m tests.support.poisoned_worker`: a worker whose scripted engines die of some jobs, as native code does.

The payload of a job has `count`, the number of its steps, and may have `poison`, the step in which the process dies,
and `gate`: after its first step it stands still while there is a file of that name in the folder POISON_GATES.
The model `second` kills the process when it is loaded. With `POISON_REAL=1` real chats die of the word POISON.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.settings import Settings
from jobs.kinds import Category
from jobs.payloads import ChatPayload
from mlxq.catalog import ModelRef
from tests.support.lanes import ScriptedEngine
from worker import process
from worker.engines import ENGINES
from worker.engines.base import Done, Engine, Failed, Output

#: Seconds of a step: jobs that are submitted together run together.
_STEP = 0.005
#: Steps after which a real chat with the word in it kills the process.
_REAL_STEPS = 12


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class PoisonedEngine(ScriptedEngine):
    capacity = 8

    def __init__(self, model: str) -> None:
        super().__init__(model, [])
        self._deadly: dict[str, int] = {}
        self._gates: dict[str, Path] = {}

    def add(self, task_id: str, payload: ChatPayload, seed: int) -> None:
        super().add(task_id, payload, seed)
        if "poison" in payload.messages[0]:
            self._deadly[task_id] = int(payload.messages[0]["poison"])
        if gate := payload.messages[0].get("gate"):
            self._gates[task_id] = Path(os.environ["POISON_GATES"], str(gate))

    def step(self) -> list[Output]:
        time.sleep(_STEP)
        for task_id, gate in self._gates.items():
            if script := self.scripts.get(task_id):
                script["silent_after"] = 1 if gate.exists() else None
        if any(self.tasks[task][0] >= step for task, step in self._deadly.items() if task in self.tasks):
            die()
        return super().step()


def scripted(ref: ModelRef, settings: Settings) -> Engine[Any]:
    if ref.id == "second":
        die()
    return PoisonedEngine(ref.id)


def poisoned(load: Callable[[ModelRef, Settings], Any]) -> Callable[[ModelRef, Settings], Any]:
    """Chats of the real engine that die of the word POISON when all that were sent together have joined them."""

    def loaded(ref: ModelRef, settings: Settings) -> Any:
        engine = load(ref, settings)
        add, step = engine.add, engine.step
        #: tasks, and the steps of those that will kill the process
        steps: dict[str, int | None] = {}

        def adding(task_id: str, payload: ChatPayload, seed: int) -> None:
            add(task_id, payload, seed)
            steps[task_id] = 0 if "POISON" in str(payload.messages) else None

        def stepping() -> list[Output]:
            steps.update({task: n + 1 for task, n in steps.items() if n is not None})
            if len(steps) in (1, settings.batch_size) and any((n or 0) > _REAL_STEPS for n in steps.values()):
                os.abort()
            outputs: list[Output] = step()
            for output in outputs:
                if isinstance(output, Done | Failed):
                    steps.pop(output.task_id)
            return outputs

        engine.add, engine.step = adding, stepping
        return engine

    return loaded


def main() -> int:
    engines: dict[Category, Any] = ENGINES  # type: ignore[assignment]
    if os.environ.get("POISON_REAL"):
        engines[Category.LLM] = poisoned(engines[Category.LLM])
    else:
        engines.clear()
        engines.update({Category.LLM: scripted, Category.IMAGE: scripted})
    return process.main()


if __name__ == "__main__":
    sys.exit(main())
