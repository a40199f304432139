"""The type of the job object of `/v1/jobs`, and the declaration of routes that return it."""

from typing import Literal, NotRequired

from typing_extensions import TypeAliasType, TypedDict

from api.http.openapi import Operation, gives, one_of
from api.http.routes.dialect import Named
from config.values import JsonObject

Class = Literal["interactive", "normal", "background"]
Waits = Literal["held", "download", "paused", "worker", "policy", "model", "turn"]
Status = Literal["queued", "in_progress", "completed", "failed", "cancelled", "expired"]


class JobProgress(TypedDict):
    """`done` of `total` steps, or of `unit`; `eta`: seconds until `total` is reached. The rest is of downloads."""

    done: int
    total: int
    unit: NotRequired[str]
    eta: NotRequired[float | None]
    #: of a download
    job: NotRequired[str]
    bytes_per_second: NotRequired[int | None]
    file: NotRequired[str | None]
    files_done: NotRequired[int]
    files: NotRequired[int]
    resumed: NotRequired[int]


class JobTimings(TypedDict):
    """Unix seconds, and how long it waited, waited for its model, and ran."""

    created_at: float | None
    started_at: float | None
    ended_at: float | None
    queued_seconds: float | None
    loading_seconds: float | None
    run_seconds: float | None


class JobUrls(TypedDict):
    """Where to ask, watch and cancel."""

    get: str
    events: str
    cancel: str


class JobError(TypedDict):
    """Why a job failed, as OpenAI writes it; a job that was asked for in another dialect has that one's error."""

    message: str
    type: str
    param: str | None
    code: str | None


#: The body that a synchronous call gets: `/openapi.json` names those of all kinds of jobs.
JobResult = TypeAliasType("JobResult", JsonObject)


class LiveJob(TypedDict):
    """A job without what changes all the time, its result and its addresses, as `/v1/events` tells it."""

    id: str
    object: Literal["job"]
    status: Status
    kind: str
    queue: str
    model: str | None
    app: str
    service_class: Class
    created_at: int | None
    waits_for: Waits | None
    #: the same in words
    wait_reason: str | None
    #: the worker process that runs it, or ran it last
    worker: str | None
    attempts: int
    loading: bool
    cancelling: bool
    lingers_until: float | None
    timings: JobTimings
    error: JobError | str | None


class JobObject(LiveJob):
    """A job as its owner sees it."""

    position: int | None
    eta: float | None
    progress: JobProgress | None
    result: JobResult | None
    urls: JobUrls


class JobEvent(TypedDict, total=False):
    """The data of an event. Which fields there are depends on the event's name."""

    attempt: int
    model: str
    index: int
    text: str
    field: str
    call: JsonObject
    logprobs: list[JsonObject]
    step: int
    steps: int
    number: int
    artifact: int
    content_type: str
    url: str
    audio: str
    done: int
    total: int
    unit: str
    result: JobResult
    error: JobError


_ACCEPTED = gives(JobObject, 202, "The job was accepted; `urls` say where to ask for it")


def by_job(*results: Named) -> Operation:
    """What a route answers that makes a job: 200 with the first of these, or 202. Jobs may have any as result."""
    return gives(results[0]) | made_by_job(*results)


def made_by_job(*results: Named) -> Operation:
    """The same of a route whose 200 is no JSON."""
    return _ACCEPTED | one_of(JobResult, *results)
