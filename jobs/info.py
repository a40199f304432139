"""The current state of a job and of a queue, read from RQ's hash and ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from jobs.errors import ErrorFields, MlxqError
from jobs.events import Cancelled, Completed, Entry, Expired, Failed, ProgressState
from jobs.request import DEFAULT_DIALECT
from jobs.service_class import ServiceClass, service_class
from jobs.status import JobStatus

#: Fields of a job's hash that a reader needs; `data` (the request) is not among them.
FIELDS = (
    "status",
    "origin",
    "created_at",
    "started_at",
    "ended_at",
    "mlxq_kind",
    "mlxq_model",
    "mlxq_app",
    "mlxq_attempts",
    "mlxq_expired",
    "mlxq_cancel",
    "mlxq_progress",
    "meta",
    "mlxq_priority",
    "mlxq_owner",
    "mlxq_ran_ms",
    "mlxq_loading",
    "mlxq_dialect",
    "mlxq_lingers_until",
    "mlxq_class",
    "mlxq_held",
    "mlxq_foreseen",
    "mlxq_error",
    "worker_name",
)


class JobInfo(msgspec.Struct, frozen=True):
    """A job as it stands. Times are RQ's ISO strings (UTC), None while they have not come; `eta` is in
    seconds until its end."""

    id: str
    status: JobStatus
    queue: str
    kind: str
    model: str
    app: str
    attempts: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    cancelling: bool
    meta: str
    priority: int = 0
    position: int | None = None
    #: in JSON: `jobs.kinds.read_result` reads it
    result: msgspec.Raw | None = None
    error: MlxqError | None = None
    progress: ProgressState | None = None
    owner: str = ""
    #: Unix seconds since which its model works on it: a load before that is not counted as its run
    ran_at: float | None = None
    #: whether it waits for its model to be loaded
    loading: bool = False
    eta: float | None = None
    #: the API that the request was written for
    dialect: str = DEFAULT_DIALECT
    #: Unix seconds at which it is cancelled, as its last client has left; None: a client waits, or it goes on anyway
    lingers_until: float | None = None
    service_class: ServiceClass = ServiceClass.NORMAL
    #: whether it waits for another job, or is held: it has no place in its queue
    deferred: bool = False
    #: whether somebody holds it
    held: bool = False
    #: see `jobs.queue.waits`: what it waits for, and that in words
    waits_for: str | None = None
    wait_reason: str | None = None
    #: what was foreseen of it (jobs/eta)
    foreseen: str = ""
    #: the worker process that runs it, or ran it last; empty before that
    worker: str = ""

    def waiting(self, wait: tuple[str, str] | None) -> "JobInfo":
        """The same with what it waits for; None: it does not wait."""
        on, reason = wait or (None, None)
        return msgspec.structs.replace(self, waits_for=on, wait_reason=reason)


@dataclass(frozen=True, slots=True)
class QueueStats:
    """One queue: jobs waiting and running, and the median wait of its last jobs in seconds.

    `lingering` are those of both whose clients have left. `classes` are those that wait to be taken, by
    their classes. `paused`: the whole queue, or `paused_classes` of it.
    """

    waiting: int
    running: int
    lingering: int
    finished: int
    failed: int
    cancelled: int
    expired: int
    median_wait: float | None
    classes: Mapping[ServiceClass, int] = field(default_factory=dict)
    paused: bool = False
    paused_classes: Sequence[ServiceClass] = ()


def ending(info: JobInfo) -> Entry:
    """The last event of a job that has ended, with the id that it must have had or a little before."""
    event: Completed | Failed | Cancelled | Expired
    match info.status:
        case JobStatus.COMPLETED:
            event = Completed(info.result or msgspec.Raw(b"null"))
        case JobStatus.FAILED:
            event = Failed((info.error or MlxqError("The job failed.")).fields())
        case JobStatus.EXPIRED:
            event = Expired()
        case _:
            event = Cancelled()
    ended = datetime.fromisoformat(info.ended_at) if info.ended_at else datetime.now(UTC)
    return Entry(f"{int(ended.timestamp() * 1000)}-0", event)


_PROGRESS = msgspec.json.Decoder(ProgressState)


def decode(job_id: str, values: Sequence[str | None]) -> JobInfo:
    row = dict(zip(FIELDS, values, strict=True))
    # While it waits, that of its line (jobs/gate/lines.lua).
    queue = (row["origin"] or "").partition(":")[0]
    status = JobStatus.from_rq(row["status"] or "", expired=bool(row["mlxq_expired"]))
    # One that waits again is no worker's.
    worker = "" if status is JobStatus.QUEUED else row["worker_name"] or ""
    return JobInfo(
        id=job_id,
        status=status,
        queue=queue,
        kind=row["mlxq_kind"] or "",
        model=row["mlxq_model"] or "",
        app=row["mlxq_app"] or "",
        attempts=int(row["mlxq_attempts"] or 0),
        created_at=row["created_at"] or "",
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        cancelling=bool(row["mlxq_cancel"]),
        meta=row["meta"] or "{}",
        priority=int(row["mlxq_priority"] or 0),
        progress=_PROGRESS.decode(row["mlxq_progress"]) if row["mlxq_progress"] else None,
        owner=row["mlxq_owner"] or "",
        ran_at=int(row["mlxq_ran_ms"]) / 1000 if row["mlxq_ran_ms"] else None,
        loading=bool(row["mlxq_loading"]),
        dialect=row["mlxq_dialect"] or DEFAULT_DIALECT,
        lingers_until=float(row["mlxq_lingers_until"]) if row["mlxq_lingers_until"] else None,
        service_class=service_class(row["mlxq_class"]),
        deferred=row["status"] == "deferred",
        held=bool(row["mlxq_held"]),
        foreseen=row["mlxq_foreseen"] or "",
        error=_error_of(row["mlxq_error"]) if status is JobStatus.FAILED else None,
        # RQ knows a worker for each queue of the process.
        worker=worker.removesuffix(f".{queue}"),
    )


def _error_of(text: str | None) -> MlxqError | None:
    return MlxqError.of(msgspec.json.decode(text, type=ErrorFields)) if text else None
