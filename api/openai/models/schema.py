"""The answers of `/v1/models`: OpenAI's fields, and beside them those of mlxq and MLX-GUI."""

from typing import Literal

from typing_extensions import TypedDict

from api.models.row import ModelRow
from config.values import JsonObject


class Model(TypedDict):
    """OpenAI's fields; from `type` on mlxq's. `status` is the model's state, sizes are in bytes."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    permission: list[JsonObject]
    root: str
    parent: None
    type: str
    status: str
    endpoints: list[str]
    context_length: int | None
    size_bytes: int | None
    memory_bytes: int | None


class ModelList(TypedDict):
    """OpenAI's list in `data` and MLX-GUI's in `models`."""

    object: Literal["list"]
    data: list[Model]
    models: list[ModelRow]


class ModelDetails(Model):
    """One model: MLX-GUI's fields follow where the names do not clash. `path` is never its folder."""

    name: str
    path: str | None
    version: None
    number: int
    huggingface_id: str | None
    memory_required_gb: float | None
    use_count: int
    last_used_at: str | None
    loaded_at: str | None
    created_at: str | None
    updated_at: str | None
    error_message: str | None
    metadata: JsonObject


class ModelDeleted(TypedDict):
    """OpenAI's fields; from `message` on MLX-GUI's."""

    id: str
    object: Literal["model"]
    deleted: Literal[True]
    message: str
    removed_files: bool
    status: Literal["deleted"]
