"""The states of a job as users see them, and the events it emits."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson


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


class EventType(StrEnum):
    #: a worker took the job; `attempt` counts from 1
    STARTED = "started"
    #: the job waits for its model; `model`
    LOADING = "loading"
    #: the job's model is in memory: it runs from now on; `model`
    LOADED = "loaded"
    #: new output; `text`
    DELTA = "delta"
    #: `done` of `total`
    PROGRESS = "progress"
    #: a small picture of what picture `index` is like after its step `step`; `artifact`, and the `blob` it lies in
    PREVIEW = "preview"
    #: the same in full size: `number` of those that were asked for
    PARTIAL = "partial"
    #: the job's model is being fetched; `done` of `total` bytes, by the job `job`
    DOWNLOADING = "downloading"
    #: the job's model is there now: the job waits for its lane
    DOWNLOADED = "downloaded"
    #: the job went back to the queue: its worker died or drains
    REQUEUED = "requeued"
    #: the job starts anew: what was streamed before is void
    RESET = "reset"
    #: `result`
    COMPLETED = "completed"
    #: `error`, as MlxqError.to_dict
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_TERMINAL = frozenset({EventType.COMPLETED, EventType.FAILED, EventType.CANCELLED, EventType.EXPIRED})


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a job's stream. `id` is its Redis stream id: events of a job are ordered by it."""

    id: str
    type: EventType
    data: dict[str, Any]

    @property
    def terminal(self) -> bool:
        return self.type in _TERMINAL

    @staticmethod
    def parse(event_id: str, body: dict[str, Any]) -> "Event":
        return Event(event_id, EventType(body["type"]), body)


def encode_event(event_type: EventType, **data: Any) -> bytes:
    """The event as the JSON that the gate's scripts write and publish."""
    return orjson.dumps({"type": event_type, **data})
