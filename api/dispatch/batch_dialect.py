"""What differs between dialects in the output of batches: how the outcome of a request is written."""

from dataclasses import dataclass
from typing import Literal, Protocol

from jobs.errors import MlxqError

#: Requests are counted by these.
OutcomeKind = Literal["completed", "failed", "cancelled", "expired"]
#: Why a request was not answered: its batch was.
Unanswered = Literal["cancelled", "expired"]


@dataclass(frozen=True, slots=True)
class Line:
    """A request of a batch. `id` stands for it in the output, `job_id` for its job, if it became one."""

    id: str
    custom_id: str
    job_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A line of the file `file`: JSON with its line feed."""

    kind: OutcomeKind
    file: Literal["output", "error"]
    data: bytes


class BatchDialect(Protocol):
    """`name` is stored with each batch."""

    name: str

    def completed(self, line: Line, body: bytes) -> Outcome:
        """`body` is the answer in JSON."""
        ...

    def failed(self, line: Line, error: MlxqError) -> Outcome: ...

    def unanswered(self, line: Line, why: Unanswered) -> Outcome: ...
