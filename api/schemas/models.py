"""`/v1/models`: a row per model in OpenAI's shape and one in MLX-GUI's; the bodies of load and unload."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from api.schemas.fields import RequestModel
from config.catalog import Installed

ModelType = Literal["llm", "asr", "tts", "image", "vlm", "embedding"]

#: Every category in the order of `/v1/models/status`.
MODEL_TYPES: tuple[ModelType, ...] = ("llm", "asr", "tts", "image", "vlm", "embedding")

#: What MLX-GUI calls the categories.
_KINDS = {
    "llm": "text",
    "asr": "audio",
    "tts": "audio",
    "image": "image",
    "vlm": "vision",
    "embedding": "embedding",
}
_ENDPOINTS = {"llm": ["/v1/chat/completions"], "embedding": ["/v1/embeddings"]}


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
    """A model that can be used: it lies on the disk, or a worker holds it."""

    id: str
    category: str
    state: str = "available"
    installed: Installed | None = None
    context_length: int | None = None
    memory_bytes: int | None = None
    loaded_at: str | None = None
    error: str | None = None

    @property
    def loaded(self) -> bool:
        return self.state == "loaded"

    @property
    def created(self) -> int:
        return self.installed.created if self.installed else 0

    @property
    def weight_bytes(self) -> int | None:
        """Of the weights on the disk: about what they take in memory."""
        if self.installed is None:
            return None
        return sum(file.stat().st_size for file in self.installed.path.glob("*.safetensors"))

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
        }

    def row(self, number: int) -> dict[str, Any]:
        """MLX-GUI's row. mlxq keeps no use statistics: those are null rather than wrong."""
        return {
            "id": number,
            "name": self.id,
            "type": _KINDS.get(self.category, self.category),
            "status": "unloaded" if self.state == "available" else self.state,
            "memory_required_gb": self._memory_gb(),
            "use_count": None,
            "last_used_at": None,
            "created_at": self._created_at(),
        }

    def details(self) -> dict[str, Any]:
        """One model: OpenAI's fields, and MLX-GUI's where the names do not clash."""
        config = self.installed.config if self.installed else {}
        return {
            **self.openai(),
            "name": self.id,
            "path": str(self.installed.path) if self.installed else None,
            "version": None,
            "memory_required_gb": self._memory_gb(),
            "memory_bytes": self.memory_bytes,
            "use_count": None,
            "last_used_at": None,
            "loaded_at": self.loaded_at,
            "created_at": self._created_at(),
            "updated_at": self._created_at(),
            "error_message": self.error,
            "metadata": {
                key: config[key]
                for key in ("architectures", "model_type", "quantization", "torch_dtype")
                if key in config
            },
        }

    def _memory_gb(self) -> float | None:
        size = self.memory_bytes or self.weight_bytes
        return None if size is None else round(size / 1e9, 3)

    def _created_at(self) -> str | None:
        if not self.created:
            return None
        return datetime.fromtimestamp(self.created, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def model_changed(job_id: str | None, meta: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """What load and unload answer."""
    return {
        "message": meta["message"],
        "status": result["status"],
        "model": result.get("model", meta["model"]),
        "model_type": meta["model_type"],
        "job_id": job_id,
    }


def model_list(entries: list[ModelEntry]) -> dict[str, Any]:
    """OpenAI's list and MLX-GUI's in one body."""
    return {
        "object": "list",
        "data": [entry.openai() for entry in entries],
        "models": [entry.row(number) for number, entry in enumerate(entries, start=1)],
    }
