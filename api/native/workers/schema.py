"""The answer of `/v1/workers`."""

from typing import Literal

from typing_extensions import TypedDict

WorkerStatus = Literal["ready", "resting", "incompatible"]


class WorkerMemory(TypedDict):
    """Bytes: of the machine, what models may take together, what they may still take, and what MLX holds now."""

    machine: int
    budget: int
    free: int
    active: int
    cache: int


class WorkerModel(TypedDict):
    """A model in memory, or one that could not be loaded. `bytes`: those of its weights, as far as they are known."""

    id: str
    type: str
    state: Literal["empty", "loading", "loaded", "error"]
    bytes: int | None
    error: str | None


class WorkerJob(TypedDict):
    """A job that runs there, if the caller may see it."""

    id: str
    kind: str
    queue: str
    model: str
    app: str


class WorkerRow(TypedDict):
    """A worker process. Times are Unix seconds.

    `status` is `resting` while it starts no jobs of the background, and `incompatible` for one of another version,
    which gets no jobs: one of this machine, or one that was not let in within the last hour. `models` are in memory,
    `installed` on its disk. `running` are all jobs, `jobs` those that the caller may see. `capacity`: jobs of each
    queue that run at once. `joined_by` is the id of the key by which it has joined, null for one of this machine.
    `trouble` is what its settings ask for and is not so, or why it was not let in.
    """

    id: str
    object: Literal["worker"]
    status: WorkerStatus
    host: str
    version: str
    chip: str
    gpu: bool
    memory: WorkerMemory | None
    started_at: float | None
    last_beat: float
    models: list[WorkerModel]
    installed: list[str]
    running: int
    jobs: list[WorkerJob]
    capacity: dict[str, int]
    joined_by: str | None
    trouble: list[str]


class Workers(TypedDict):
    object: Literal["list"]
    data: list[WorkerRow]
