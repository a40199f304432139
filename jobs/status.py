"""The states of a job as users see them."""

from enum import StrEnum


class JobStatus(StrEnum):
    """What `/v1/jobs` reports. RQ's own words for the same states are in `from_rq`."""

    #: accepted and waiting for its lane
    QUEUED = "queued"
    #: a worker runs it
    IN_PROGRESS = "in_progress"
    #: it ended with a result
    COMPLETED = "completed"
    #: it ended with an error
    FAILED = "failed"
    #: somebody cancelled it, or its client left
    CANCELLED = "cancelled"
    #: its client's patience ended before it was started
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        return self not in (JobStatus.QUEUED, JobStatus.IN_PROGRESS)

    @staticmethod
    def from_rq(status: str, *, expired: bool = False) -> "JobStatus":
        if expired:
            return JobStatus.EXPIRED
        return _FROM_RQ.get(status, JobStatus.QUEUED)


_FROM_RQ = {
    "queued": JobStatus.QUEUED,
    "deferred": JobStatus.QUEUED,
    "scheduled": JobStatus.QUEUED,
    "created": JobStatus.QUEUED,
    "started": JobStatus.IN_PROGRESS,
    "finished": JobStatus.COMPLETED,
    "failed": JobStatus.FAILED,
    "stopped": JobStatus.CANCELLED,
    "canceled": JobStatus.CANCELLED,
}
