"""A task that waits for its grammar, which is compiled on another thread."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from jobs.errors import InvalidRequest
from jobs.payloads import LanguagePayload

#: Seconds that a grammar may take to be compiled.
COMPILE_TIMEOUT = 20.0
#: Seconds that an idle engine waits for a grammar in one step.
PAUSE = 0.05


@dataclass(slots=True, eq=False)
class CompilingTask:
    id: str
    payload: LanguagePayload
    seed: int
    compiling: "Future[None]"
    since: float = field(default_factory=time.monotonic)

    def is_settled(self) -> bool:
        """Whether its grammar is compiled, has failed or takes too long: its time begins when those before it end."""
        if self.compiling.running():
            return time.monotonic() - self.since > COMPILE_TIMEOUT
        self.since = time.monotonic()
        return self.compiling.done()

    def check(self) -> None:
        """Raises the error of the compilation, and InvalidRequest if it takes too long."""
        if not self.compiling.done():
            self.compiling.cancel()
            raise InvalidRequest(
                f"The schema can't be enforced: its grammar was not compiled within {COMPILE_TIMEOUT:g} s.",
                code="invalid_json_schema",
            )
        self.compiling.result()
