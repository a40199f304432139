"""`python -m tests.machines.stand_in`: a worker whose engine waits instead of computing, with a clock of its own.

The last message of a chat is JSON: `steps`, the numbers to count to; `pace`, the seconds of a step, in which the
engine waits on an event that nobody sets; `hold`, a file without which the last step does not come.
CLOCK_OFF: seconds by which the clock of this machine is wrong. It was asleep for an hour when SIGCONT comes.
OTHER_PROTOCOL: the protocol that it has, instead of that of this version.
"""

import datetime
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

#: Seconds that pass while it sleeps.
_SLEEP = 3600.0


class Clock:
    """The clock of this machine."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead
        self._real = time.time

    def now(self) -> float:
        return self._real() + self.ahead

    def wake(self, *_: object) -> None:
        self.ahead += _SLEEP


def wind(clock: Clock) -> None:
    """Let Python have this clock. Call it before others import `datetime`."""
    real: Any = datetime.datetime

    class Kind(type):
        def __instancecheck__(cls, other: object) -> bool:
            return isinstance(other, real)

    class Shifted(real, metaclass=Kind):  # type: ignore[misc]
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return real.fromtimestamp(clock.now(), tz)

    time.time = clock.now
    time.time_ns = lambda: int(clock.now() * 1e9)
    datetime.datetime = Shifted  # type: ignore[misc]


def loader() -> Callable[[Any, Any], Any]:
    import json
    import threading
    from pathlib import Path

    from jobs.results import Choice, TextResult, TextUsage, Timings
    from worker.engines.base import Alive, Delta, Done, Output

    class Waiting:
        """Counts for each of its tasks, one number a step."""

        context_length = 100_000
        memory_bytes = 1

        def __init__(self, capacity: int) -> None:
            self.capacity = capacity
            self._scripts: dict[str, dict[str, Any]] = {}
            self._counts: dict[str, int] = {}
            self._never = threading.Event()

        def add(self, task_id: str, payload: Any, seed: int) -> None:
            self._scripts[task_id] = json.loads(payload.messages[-1]["content"])
            self._counts[task_id] = 0

        def remove(self, task_id: str) -> None:
            self._scripts.pop(task_id, None)
            self._counts.pop(task_id, None)

        def step(self) -> list[Output]:
            self._never.wait(max((script.get("pace", 0.01) for script in self._scripts.values()), default=0))
            outputs: list[Output] = []
            for task_id, script in list(self._scripts.items()):
                count, steps = self._counts[task_id], script.get("steps", 1)
                if count == steps - 1 and "hold" in script and not Path(script["hold"]).exists():
                    outputs.append(Alive(task_id))
                    continue
                self._counts[task_id] = count + 1
                outputs.append(Delta(task_id, f"{count + 1} "))
                if count + 1 == steps:
                    outputs.append(Done(task_id, _result(steps)))
                    self.remove(task_id)
            return outputs

        def tidy(self) -> None:
            pass

        def close(self) -> None:
            pass

    def _result(steps: int) -> TextResult:
        return TextResult(
            choices=[Choice(index=0, text=counted(steps), finish_reason="stop")],
            usage=TextUsage(prompt_tokens=1, completion_tokens=steps, cached_tokens=0),
            timings=Timings(0.0, 0.0),
        )

    return lambda ref, settings: Waiting(settings.batch_size)


def counted(steps: int) -> str:
    """What a job of so many steps says."""
    return "".join(f"{number} " for number in range(1, steps + 1))


def main() -> int:
    clock = Clock(float(os.environ.get("CLOCK_OFF") or 0))
    wind(clock)
    signal.signal(signal.SIGCONT, clock.wake)
    from jobs import protocol
    from jobs.kinds import Category
    from worker import process
    from worker.engines import ENGINES

    protocol.PROTOCOL = int(os.environ.get("OTHER_PROTOCOL") or protocol.PROTOCOL)
    engines: dict[Category, Any] = ENGINES  # type: ignore[assignment]
    engines.clear()
    engines[Category.LLM] = loader()
    return process.main()


if __name__ == "__main__":
    sys.exit(main())
