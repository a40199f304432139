"""A model in MLX-GUI's form, for the answers of several resources: a row of a list, its times and sizes."""

from datetime import UTC, datetime

from typing_extensions import TypedDict

from api.models.entry import ModelEntry

#: MLX-GUI's words for the categories.
_KINDS = {
    "llm": "text",
    "asr": "audio",
    "tts": "audio",
    "image": "image",
    "vlm": "vision",
    "embedding": "embedding",
}


class ModelRow(TypedDict):
    """Times are UTC, without a zone; sizes count 1024³ bytes."""

    id: int
    name: str
    type: str
    status: str
    memory_required_gb: float | None
    use_count: int
    last_used_at: str | None
    created_at: str | None


def model_row(entry: ModelEntry) -> ModelRow:
    return {
        "id": entry.record.number,
        "name": model_name(entry),
        "type": _KINDS["vlm" if entry.sees else entry.category],
        "status": model_state(entry),
        "memory_required_gb": gigabytes(entry.required_bytes),
        "use_count": entry.record.uses,
        "last_used_at": moment(entry.record.last_used),
        "created_at": moment(entry.created),
    }


def model_name(entry: ModelEntry) -> str:
    """The name that a user gave it, else its id."""
    return entry.given_name or entry.id


def model_state(entry: ModelEntry) -> str:
    """The state in MLX-GUI's words."""
    return "unloaded" if entry.state == "available" else entry.state


def gigabytes(size: int | None) -> float | None:
    """In 1024³ bytes, to the megabyte, so that small models are not 0."""
    return None if size is None else round(size / 1024**3, 3)


def moment(when: float | str | None) -> str | None:
    """Unix seconds, or an ISO time with its zone, as MLX-GUI writes times: UTC, to the second, without a zone."""
    if not when:
        return None
    known = datetime.fromisoformat(when) if isinstance(when, str) else datetime.fromtimestamp(when, UTC)
    return known.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
