"""The record of a batch, as it is kept in Redis."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from jobs.webhooks import Webhook


class BatchStatus(StrEnum):
    #: its input is checked
    VALIDATING = "validating"
    #: its input is wrong
    FAILED = "failed"
    #: its requests are answered
    IN_PROGRESS = "in_progress"
    #: all of them have an outcome
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    #: its time was over before all requests were answered
    EXPIRED = "expired"
    #: requests that were begun end
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (
            BatchStatus.FAILED,
            BatchStatus.COMPLETED,
            BatchStatus.EXPIRED,
            BatchStatus.CANCELLED,
        )


class BatchProblem(msgspec.Struct, frozen=True):
    """What is wrong with the input; `line` is None for all of it."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. Times are in Unix seconds.

    `rights` and `limit` are those of the caller, with which its requests are made. `base` is the server's address as
    the caller knows it. `listed`: the output is listed among the stored files. `webhook` is told
    of its end.
    """

    id: str
    dialect: str
    endpoint: str
    input_blob: str
    created_at: int
    expires_at: int
    owner: str = ""
    sees_all: bool = True
    rights: int = 0
    limit: str | None = None
    app: str = ""
    base: str = ""
    window: str = "24h"
    input_file: str = ""
    listed: bool = True
    output_ttl: int | None = None
    metadata: dict[str, str] | None = None
    webhook: Webhook | None = None


class Begun(msgspec.Struct, frozen=True, array_like=True):
    """A request that was begun: where it stands in the input, and how often it has become a job."""

    custom_id: str
    offset: int
    attempt: int = 0


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as it stands.

    `times`: when it came to each status. `counts`: requests by their outcome (completed, failed, cancelled, expired).
    `files`: the ids of its output and error files. `tokens`: what its answers took. `offset` and `number` say where
    the next request stands in the input, and how many lines come before it.
    """

    asked: Asked
    status: BatchStatus
    total: int = 0
    times: Mapping[str, int] = {}
    counts: Mapping[str, int] = {}
    files: Mapping[str, str] = {}
    tokens: Mapping[str, int] = {}
    problems: list[BatchProblem] = []
    offset: int = 0
    number: int = 0

    @property
    def id(self) -> str:
        return self.asked.id

    def count(self, outcome: str) -> int:
        return self.counts.get(outcome, 0)

    @property
    def left(self) -> int:
        """Requests without an outcome."""
        return max(0, self.total - sum(self.counts.values()))
