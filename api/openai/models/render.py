"""The answers of `/v1/models`, from the inventory's entries."""

from collections.abc import Sequence

from api.models.entry import ModelEntry
from api.models.row import gigabytes, model_name, model_row, moment
from api.openai.models.schema import Model, ModelDeleted, ModelDetails, ModelList

_ENDPOINTS = {
    "llm": ["/v1/chat/completions", "/v1/completions"],
    "embedding": ["/v1/embeddings"],
    "asr": ["/v1/audio/transcriptions", "/v1/audio/translations"],
    "tts": ["/v1/audio/speech"],
    "image": ["/v1/images/generations"],
}


def model_list(entries: Sequence[ModelEntry], aliases: Sequence[tuple[str, str]] = ()) -> ModelList:
    """A name or an alias that a user gave has a row of its own in OpenAI's list.

    So has each of `aliases`, a name and the id of its model, which is the row's `root`.
    """
    rows = [_model(entry) for entry in entries]
    given = [_named(entry, entry.given_name) for entry in entries if entry.given_name]
    given += [_named(entry, name) for entry in entries for name in entry.aliases if name != entry.id]
    taken, by_id = {row["id"] for row in rows + given}, {entry.id: entry for entry in entries}
    given += [_named(by_id[model], name) for name, model in aliases if model in by_id and name not in taken]
    return {"object": "list", "data": rows + given, "models": [model_row(entry) for entry in entries]}


def model_details(entry: ModelEntry) -> ModelDetails:
    return {
        **_model(entry),
        "name": model_name(entry),
        "path": entry.id if entry.card else None,
        "version": None,
        "number": entry.record.number,
        "huggingface_id": entry.hub_id,
        "memory_required_gb": gigabytes(entry.required_bytes),
        "use_count": entry.record.uses,
        "last_used_at": moment(entry.record.last_used),
        "loaded_at": moment(entry.loaded_at),
        "created_at": moment(entry.created),
        "updated_at": moment(entry.created),
        "error_message": entry.error,
        "metadata": entry.card.metadata if entry.card else {},
    }


def model_deleted(name: str, *, removed_files: bool) -> ModelDeleted:
    return {
        "id": name,
        "object": "model",
        "deleted": True,
        "message": f"Model '{name}' deleted successfully",
        "removed_files": removed_files,
        "status": "deleted",
    }


def _model(entry: ModelEntry) -> Model:
    organization, slash, _ = entry.id.partition("/")
    return {
        "id": entry.id,
        "object": "model",
        "created": entry.created,
        "owned_by": organization if slash else "mlxq",
        "permission": [],
        "root": entry.id,
        "parent": None,
        "type": entry.category,
        "status": entry.state,
        "endpoints": ["/v1/rerank"] if entry.ranks else _ENDPOINTS.get(entry.category, []),
        "context_length": entry.context_length,
        "size_bytes": entry.card.disk_bytes if entry.card else None,
        "memory_bytes": entry.memory_bytes,
    }


def _named(entry: ModelEntry, name: str) -> Model:
    return {**_model(entry), "id": name}
