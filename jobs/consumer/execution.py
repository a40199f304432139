"""An execution: this process' right to one job, from its claim to its end. It knows no engines and no threads."""

import time
from dataclasses import dataclass, field

from jobs import tracing
from jobs.gate import Ending
from jobs.job_log import log_execution
from jobs.request import Claim


@dataclass(slots=True, eq=False)
class Execution:
    """A claimed job. Times are on the monotonic clock: when it was claimed, when its model began to be loaded for it,
    and when the work on it started.
    """

    claim: Claim
    began: float | None = None
    loading: float | None = None
    claimed: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return self.claim.execution_id

    def note_end(self, ending: Ending) -> None:
        """Log the end of its job, as it was written to Redis, and trace it where there are traces."""
        ran = None if self.began is None else time.monotonic() - self.began
        log_execution(self.claim, ran, result=ending.result, error=ending.error)
        tracing.execution_ended(self, ending.result, ending.error)
