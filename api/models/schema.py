"""`/v1/models`: a row per model in OpenAI's shape and one in MLX-GUI's; the bodies of load and unload."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from api.http.fields import RequestModel
from jobs.model_records import ModelRecord
from mlxq.catalog import Installed, is_hub_id
from mlxq.catalog.size import ModelSize

ModelType = Literal["llm", "asr", "tts", "image", "vlm", "embedding"]

#: Every category in the order of `/v1/models/status`.
MODEL_TYPES: tuple[ModelType, ...] = ("llm", "asr", "tts", "image", "vlm", "embedding")

#: What MLX-GUI calls the categories.
KINDS = {
    "llm": "text",
    "asr": "audio",
    "tts": "audio",
    "image": "image",
    "vlm": "vision",
    "embedding": "embedding",
}
_ENDPOINTS = {
    "llm": ["/v1/chat/completions", "/v1/completions"],
    "embedding": ["/v1/embeddings"],
    "asr": ["/v1/audio/transcriptions", "/v1/audio/translations"],
    "tts": ["/v1/audio/speech"],
    "image": ["/v1/images/generations"],
}


class LoadRequest(RequestModel):
    """`model_type` is inferred from the model when it is absent."""

    model: str
    model_type: ModelType | None = None
    background: bool | None = None


class UnloadRequest(RequestModel):
    model_type: ModelType | Literal["all"]
    background: bool | None = None


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be used: it lies on the disk, or a worker holds it.

    `given_name` is what a user called it when it was installed. `sees`: it is a language model that reads pictures.
    """

    id: str
    category: str
    record: ModelRecord
    state: str = "available"
    installed: Installed | None = None
    size: ModelSize | None = None
    given_name: str | None = None
    sees: bool = False
    context_length: int | None = None
    memory_bytes: int | None = None
    loaded_at: str | None = None
    error: str | None = None

    @property
    def loaded(self) -> bool:
        return self.state == "loaded"

    @property
    def name(self) -> str:
        """What MLX-GUI's clients call it."""
        return self.given_name or self.id

    @property
    def created(self) -> int:
        return self.installed.created if self.installed else 0

    @property
    def kind(self) -> str:
        """The category in MLX-GUI's word."""
        return KINDS["vlm" if self.sees else self.category]

    @property
    def status(self) -> str:
        """The state in MLX-GUI's word."""
        return "unloaded" if self.state == "available" else self.state

    @property
    def hub_id(self) -> str | None:
        return self.id if is_hub_id(self.id) else None

    @property
    def required_bytes(self) -> int | None:
        """What it takes in memory: as measured when it is loaded, else what its weights say."""
        return self.memory_bytes or (self.size.weight_bytes if self.size else None)

    def openai(self) -> dict[str, Any]:
        organization, slash, _ = self.id.partition("/")
        return {
            "id": self.id,
            "object": "model",
            "created": self.created,
            "owned_by": organization if slash else "mlxq",
            "permission": [],
            "root": self.id,
            "parent": None,
            "type": self.category,
            "status": self.state,
            "endpoints": _ENDPOINTS.get(self.category, []),
            "context_length": self.context_length,
            "size_bytes": self.size.disk_bytes if self.size else None,
            "memory_bytes": self.memory_bytes,
        }

    def row(self) -> dict[str, Any]:
        """MLX-GUI's row."""
        return {
            "id": self.record.number,
            "name": self.name,
            "type": self.kind,
            "status": self.status,
            "memory_required_gb": gigabytes(self.required_bytes),
            "use_count": self.record.uses,
            "last_used_at": moment(self.record.last_used),
            "created_at": moment(self.created),
        }

    def details(self) -> dict[str, Any]:
        """One model: OpenAI's fields, and MLX-GUI's where the names do not clash. Its folder is nobody's business."""
        config = self.installed.config if self.installed else {}
        return {
            **self.openai(),
            "name": self.name,
            "path": self.id if self.installed else None,
            "version": None,
            "number": self.record.number,
            "huggingface_id": self.hub_id,
            "memory_required_gb": gigabytes(self.required_bytes),
            "use_count": self.record.uses,
            "last_used_at": moment(self.record.last_used),
            "loaded_at": moment(self.loaded_at),
            "created_at": moment(self.created),
            "updated_at": moment(self.created),
            "error_message": self.error,
            "metadata": {
                key: config[key]
                for key in ("architectures", "model_type", "quantization", "torch_dtype")
                if key in config
            },
        }


def gigabytes(size: int | None) -> float | None:
    """As memory is counted, in 1024³ bytes; to the megabyte, so that small models are not nothing."""
    return None if size is None else round(size / 1024**3, 3)


def moment(when: float | str | None) -> str | None:
    """Unix seconds, or an ISO time with its zone, as MLX-GUI writes times: UTC, to the second, without a zone."""
    if not when:
        return None
    known = datetime.fromisoformat(when) if isinstance(when, str) else datetime.fromtimestamp(when, UTC)
    return known.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def model_changed(job_id: str | None, meta: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """What load and unload answer."""
    return {
        "message": meta["message"],
        "status": result["status"],
        "model": result.get("model", meta["model"]),
        "model_type": meta["model_type"],
        "job_id": job_id,
    }


def model_list(entries: list[ModelEntry], aliases: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """OpenAI's list and MLX-GUI's in one body. A name that a user gave is a row of its own in OpenAI's.

    So are `aliases`, each with the id of its model, which is the row's `root`.
    """
    rows = [entry.openai() for entry in entries]
    given = [{**e.openai(), "id": e.given_name} for e in entries if e.given_name]
    taken, by_id = {row["id"] for row in rows + given}, {entry.id: entry for entry in entries}
    given += [
        {**by_id[model].openai(), "id": name}
        for name, model in aliases
        if model in by_id and name not in taken
    ]
    return {"object": "list", "data": rows + given, "models": [entry.row() for entry in entries]}


def model_status(models: dict[str, str | None]) -> dict[str, Any]:
    """OminiX' body: the loaded model of each type."""
    return {"status": "success", "models": models}


def model_health(entry: ModelEntry) -> dict[str, Any]:
    """MLX-GUI's: healthy is what answers at once."""
    return {
        "model": entry.name,
        "status": entry.status,
        "healthy": entry.loaded,
        "last_used": moment(entry.record.last_used),
    }
