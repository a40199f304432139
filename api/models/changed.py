"""The answer of a load or an unload, which is the same in every dialect that has them."""

from typing import NotRequired

from typing_extensions import TypedDict

from jobs.meta import LoadMeta
from jobs.results import LoadResult


class WorkerChange(TypedDict):
    """What became of it in one worker.

    `status` is `loaded`, `loading`, `unloaded`, `empty` (nothing was to be unloaded) or `busy`: the worker obeys when
    it has ended its jobs.
    """

    model_type: NotRequired[str]
    worker: str
    model: str | None
    status: str


class UnloadedModel(TypedDict):
    model_type: str
    model: str


class ModelChanged(TypedDict):
    """`unloaded`: each model, where all were to be unloaded. `workers`: of several, those that were asked."""

    message: str
    status: str
    model: str | None
    model_type: str
    job_id: str | None
    unloaded: NotRequired[list[UnloadedModel]]
    workers: NotRequired[list[WorkerChange]]


def model_changed(job_id: str | None, meta: LoadMeta, result: LoadResult) -> ModelChanged:
    """`meta` is what was noted of the request, `result` the worker's."""
    return {
        "message": meta.message,
        "status": result.status,
        "model": result.model or meta.model,
        "model_type": meta.model_type,
        "job_id": job_id,
    }
