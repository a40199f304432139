"""`/v1/manager`, as MLX-GUI has it."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from api.http.fields import RequestModel
from api.mlxgui.system.machine import memory
from api.mlxgui.system.schema import model_manager
from api.models.schema import ModelEntry, gigabytes, moment
from jobs.info import JobInfo
from jobs.kinds import Kind
from jobs.live_settings import LiveSettings

#: MLX-GUI's words for what a model of a category does.
_TASKS = {
    "llm": "text-generation",
    "embedding": "feature-extraction",
    "asr": "automatic-speech-recognition",
    "tts": "text-to-speech",
    "image": "text-to-image",
}


class PriorityUpdate(RequestModel):
    priority: Annotated[int, Field(ge=-1000, le=1000)]


def manager_row(entry: ModelEntry) -> dict[str, Any]:
    organization, slash, _ = entry.id.partition("/")
    author = organization if slash else None
    return {**entry.row(), "huggingface_id": entry.hub_id, "author": author}


def manager_status(
    entries: Sequence[ModelEntry], waiting: Sequence[JobInfo], settings: LiveSettings
) -> dict[str, Any]:
    loaded = [entry for entry in entries if entry.loaded]
    system = model_manager(loaded, len(waiting), settings, memory())
    names = {entry.id: entry.name for entry in entries}
    return {
        "loaded_models": {entry.name: _loaded(entry) for entry in loaded},
        "system_status": system,
        "queue_status": [
            {
                "model_name": names.get(job.model, job.model),
                "priority": job.priority,
                "queue_position": job.position,
                "queued_at": moment(job.created_at),
            }
            for job in waiting
            if job.kind == Kind.LOAD
        ],
    }


def manager_model(entry: ModelEntry, waiting: Sequence[JobInfo]) -> dict[str, Any]:
    """`queue_position`: the place of the first job that waits for the model, 1 is the next; null when none does."""
    return {
        "name": entry.name,
        "status": entry.status,
        "loaded": entry.loaded,
        "loaded_at": moment(entry.loaded_at),
        "last_used_at": moment(entry.record.last_used),
        "memory_usage_gb": gigabytes(entry.memory_bytes),
        "queue_position": next((job.position for job in waiting if job.model == entry.id), None),
    }


def _loaded(entry: ModelEntry) -> dict[str, Any]:
    return {
        "loaded_at": moment(entry.loaded_at),
        "last_used_at": moment(entry.record.last_used),
        "memory_usage_gb": gigabytes(entry.memory_bytes),
        "config": {
            "model_type": "image-text-to-text" if entry.sees else _TASKS[entry.category],
            "estimated_memory_gb": gigabytes(entry.size.weight_bytes if entry.size else None),
        },
    }
