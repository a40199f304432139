"""The job object of `/v1/jobs`, and how routes say that they answer with it."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from api.http.openapi import gives
from config.values import JsonObject

Status = Literal["queued", "in_progress", "completed", "failed", "cancelled", "expired"]


class JobProgress(TypedDict):
    """`done` of `total` steps, or of `unit`; `eta` is in seconds. What it counts else depends on the kind of job."""

    done: int
    total: int
    unit: NotRequired[str]
    eta: NotRequired[float | None]
    #: of a download
    job: NotRequired[str]
    bytes_per_second: NotRequired[int | None]
    file: NotRequired[str]
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


class JobObject(TypedDict):
    """A job as its owner sees it. `result` is the body that a synchronous call gets."""

    id: str
    object: Literal["job"]
    status: Status
    kind: str
    queue: str
    model: str
    app: str
    created_at: int | None
    position: int | None
    eta: float | None
    progress: JobProgress | None
    attempts: int
    loading: bool
    cancelling: bool
    timings: JobTimings
    result: JsonObject | None
    error: JobError | str | None
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
    done: int
    total: int
    result: JsonObject
    error: JobError


#: The answer of a route for a client that does not wait.
ACCEPTED = gives(JobObject, 202, "The job was accepted; `urls` say where to ask for it")
