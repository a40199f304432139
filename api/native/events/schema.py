"""The data of the events of `/v1/events`."""

from typing import Literal

from typing_extensions import TypeAliasType, TypedDict

from api.dispatch.job_schema import JobProgress, LiveJob
from api.native.queue.schema import QueueName, Queues


class LiveProgress(TypedDict):
    """How far a running job is. `preview` is relative to the server's address; `eta` is in seconds."""

    id: str
    progress: JobProgress | None
    eta: float | None
    tokens_per_second: float | None
    preview: str | None


class LiveOrder(TypedDict):
    """The jobs of a queue that wait for their turn: their ids, places and seconds until they have ended."""

    queue: QueueName
    jobs: list[str]
    positions: list[int]
    etas: list[float | None]


class LiveSlot(TypedDict):
    model: str | None
    state: Literal["empty", "loading", "loaded", "error"]
    error: str | None
    context_length: int | None
    memory_bytes: int | None
    loaded_at: str | None


class LiveMemory(TypedDict):
    """MLX' own account, in bytes."""

    active: int
    peak: int
    cache: int


class LiveDevice(TypedDict):
    """`memory_bytes`: what MLX should take at most; 0 where nothing says so."""

    gpu: bool
    name: str | None
    memory_bytes: int


class LiveWorker(TypedDict):
    """`budget`: bytes that models may take together; 0 where it is not known."""

    name: str
    host: str
    budget: int
    started_at: str
    slots: dict[str, list[LiveSlot]]
    memory: LiveMemory
    device: LiveDevice | None
    trouble: list[str]


class LiveWorkers(TypedDict):
    workers: list[LiveWorker]


class LiveModels(TypedDict):
    """The revision changes when models come and go."""

    revision: str


class LiveSnapshot(TypedDict):
    """All that is known. `more`: more jobs wait than are listed. `time`: the server's clock, in Unix seconds."""

    time: float
    jobs: list[LiveJob]
    more: bool
    progress: list[LiveProgress]
    order: list[LiveOrder]
    queues: Queues
    workers: list[LiveWorker]
    models: LiveModels


class GoneJob(TypedDict):
    """A job that is there no more."""

    id: str


class Resumed(TypedDict):
    """What has changed since the event that the client has seen follows."""


class StreamEnd(TypedDict):
    """Connect again, with the id of this event. `unavailable`: the queue is out of reach."""

    reason: Literal["slow", "stopping", "unavailable"]


#: The data of an event, by the event's name.
ServerEvent = TypeAliasType(
    "ServerEvent",
    LiveSnapshot
    | Resumed
    | LiveJob
    | LiveProgress
    | LiveOrder
    | Queues
    | LiveWorkers
    | LiveModels
    | GoneJob
    | StreamEnd,
)
