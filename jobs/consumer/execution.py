"""An execution: this process' right to one job, from its claim to its end. It knows no engines and no threads."""

import time
from dataclasses import dataclass

from jobs.gate import Ending
from jobs.job_log import log_execution
from jobs.request import Claim


@dataclass(slots=True, eq=False)
class Execution:
    """A claimed job. `began`: when the work on it started, on the monotonic clock."""

    claim: Claim
    began: float | None = None

    @property
    def id(self) -> str:
        return self.claim.execution_id

    def log_end(self, ending: Ending) -> None:
        """Log the end of its job, as it was written to Redis."""
        ran = None if self.began is None else time.monotonic() - self.began
        log_execution(self.claim, ran, result=ending.result, error=ending.error)
