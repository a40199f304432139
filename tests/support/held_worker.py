"""`python -m tests.support.held_worker`: a worker whose engines stand still while a file says so.

`HELD_BY` names the file, which has the number of steps with an output that an engine makes before. The engines are
the real ones.
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


class Hold:
    """The other side: when engines stand still."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def after(self, steps: int) -> None:
        """An engine stands still after so many steps with an output from now on."""
        new = self.file.with_suffix(".new")
        new.write_text(str(steps))
        new.rename(self.file)

    def let_go(self) -> None:
        self.file.unlink(missing_ok=True)


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
            outputs: list[Output] = step()
            made = 0 if steps is None else made + bool(outputs)
            return outputs

        engine.step = stepping
        return engine

    return loaded


if __name__ == "__main__":
    engines: dict[Category, Any] = ENGINES  # type: ignore[assignment]
    for category, load in engines.items():
        engines[category] = held(load, Path(os.environ["HELD_BY"]))
    sys.exit(process.main())
