"""The answers of `/v1/manager`, from the inventory and the queue."""

from collections.abc import Sequence

from api.mlxgui.manager.schema import (
    LoadedModel,
    ManagedModel,
    ManagedModels,
    ManagedRow,
    ManagerStatus,
    PriorityUpdated,
)
from api.mlxgui.system.machine import memory
from api.mlxgui.system.render import model_manager
from api.models.entry import ModelEntry
from api.models.row import gigabytes, model_name, model_row, model_state, moment
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


def managed_models(entries: Sequence[ModelEntry]) -> ManagedModels:
    return {"models": [_row(entry) for entry in entries]}


def _row(entry: ModelEntry) -> ManagedRow:
    organization, slash, _ = entry.id.partition("/")
    author = organization if slash else None
    return {**model_row(entry), "huggingface_id": entry.hub_id, "author": author}


def manager_status(
    entries: Sequence[ModelEntry], waiting: Sequence[JobInfo], settings: LiveSettings
) -> ManagerStatus:
    loaded = [entry for entry in entries if entry.loaded]
    system = model_manager(loaded, len(waiting), settings, memory())
    names = {entry.id: model_name(entry) for entry in entries}
    return {
        "loaded_models": {model_name(entry): _loaded(entry) for entry in loaded},
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


def manager_model(entry: ModelEntry, waiting: Sequence[JobInfo]) -> ManagedModel:
    return {
        "name": model_name(entry),
        "status": model_state(entry),
        "loaded": entry.loaded,
        "loaded_at": moment(entry.loaded_at),
        "last_used_at": moment(entry.record.last_used),
        "memory_usage_gb": gigabytes(entry.memory_bytes),
        "queue_position": next((job.position for job in waiting if job.model == entry.id), None),
    }


def _loaded(entry: ModelEntry) -> LoadedModel:
    return {
        "loaded_at": moment(entry.loaded_at),
        "last_used_at": moment(entry.record.last_used),
        "memory_usage_gb": gigabytes(entry.memory_bytes),
        "config": {
            "model_type": "image-text-to-text" if entry.sees else _TASKS[entry.category],
            "estimated_memory_gb": gigabytes(entry.card.weight_bytes if entry.card else None),
        },
    }


def priority_updated(name: str, priority: int) -> PriorityUpdated:
    return {"model": name, "priority": priority, "message": "Priority update requested"}
