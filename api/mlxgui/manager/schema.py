"""The bodies of `/v1/manager`, as MLX-GUI has them."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api.http.bodies.fields import RequestModel
from api.mlxgui.system.schema import ManagerState
from api.models.row import ModelRow


class PriorityUpdate(RequestModel):
    priority: Annotated[int, Field(ge=-1000, le=1000)]


class PriorityUpdated(TypedDict):
    model: str
    priority: int
    message: str


class ManagedRow(ModelRow):
    """`author` is the first part of a hub's id."""

    huggingface_id: str | None
    author: str | None


class ManagedModels(TypedDict):
    models: list[ManagedRow]


class ManagedModel(TypedDict):
    """`queue_position`: the place of the first job that waits for the model, 1 is the next; null when none does."""

    name: str
    status: str
    loaded: bool
    loaded_at: str | None
    last_used_at: str | None
    memory_usage_gb: float | None
    queue_position: int | None


class LoadedConfig(TypedDict):
    model_type: str
    estimated_memory_gb: float | None


class LoadedModel(TypedDict):
    loaded_at: str | None
    last_used_at: str | None
    memory_usage_gb: float | None
    config: LoadedConfig


class WaitingLoad(TypedDict):
    """A load that waits; 1 is the next of its queue."""

    model_name: str
    priority: int
    queue_position: int | None
    queued_at: str | None


class ManagerStatus(TypedDict):
    """`loaded_models` has the models by their names."""

    loaded_models: dict[str, LoadedModel]
    system_status: ManagerState
    queue_status: list[WaitingLoad]
