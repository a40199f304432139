"""A task that waits for its grammar, which is compiled off the engine's thread."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from jobs.errors import InvalidRequest

#: Seconds that a grammar may take to be compiled.
COMPILE_TIMEOUT = 20.0
#: Seconds for which an engine that has nothing else to do waits for a grammar in one step.
PAUSE = 0.05


@dataclass(slots=True, eq=False)
class Unready:
    id: str
    payload: dict[str, Any]
    seed: int
    compiling: "Future[None]"
    since: float = field(default_factory=time.monotonic)

    @property
    def is_settled(self) -> bool:
        """Whether its grammar is there, or will not be."""
        return self.compiling.done() or time.monotonic() - self.since > COMPILE_TIMEOUT

    def check(self) -> None:
        """Raises what went wrong; InvalidRequest where the grammar takes too long."""
        if not self.compiling.done():
            self.compiling.cancel()
            raise InvalidRequest(
                f"The schema can't be enforced: its grammar was not compiled within {COMPILE_TIMEOUT:g} s.",
                code="invalid_json_schema",
            )
        self.compiling.result()
