"""`python -m tests.agents.held_worker`: a worker whose chats stand still while a file says so.

`HELD_BY` names the file, which has the number of steps that are made before. The engines are the real ones.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.settings import Settings
from jobs.kinds import Category
from mlxq.catalog import ModelRef
from worker import process
from worker.engines import ENGINES
from worker.engines.base import Output

Load = Callable[[ModelRef, Settings], Any]


def held(load: Load, file: Path) -> Load:
    def limit() -> int | None:
        try:
            return int(file.read_text())
        except FileNotFoundError:
            return None

    def loaded(ref: ModelRef, settings: Settings) -> Any:
        engine = load(ref, settings)
        step, made = engine.step, 0

        def stepping() -> list[Output]:
            nonlocal made
            while (steps := limit()) is not None and made >= steps:
                time.sleep(0.01)
            made = 0 if steps is None else made + 1
            outputs: list[Output] = step()
            return outputs

        engine.step = stepping
        return engine

    return loaded


if __name__ == "__main__":
    engines: dict[Category, Any] = ENGINES  # type: ignore[assignment]
    engines[Category.LLM] = held(engines[Category.LLM], Path(os.environ["HELD_BY"]))
    sys.exit(process.main())
