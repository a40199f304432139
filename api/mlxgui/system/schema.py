"""The answers of `/v1/system`, as MLX-GUI has them. Sizes count 1024³ bytes."""

from typing import Literal

from typing_extensions import TypedDict


class MemoryUse(TypedDict):
    total_gb: float
    available_gb: float
    used_gb: float
    percent_used: float


class GpuMemory(TypedDict):
    """What a worker told of its device; 0 where there is none."""

    total_gb: float
    available_gb: float
    device_name: str


class Machine(TypedDict):
    platform: str
    architecture: str
    processor: str
    is_apple_silicon: bool
    mlx_compatible: bool
    memory: MemoryUse
    gpu_memory: GpuMemory


class ManagerState(TypedDict):
    """What is in memory, what waits, and by which rules models are unloaded."""

    loaded_models_count: int
    max_concurrent_models: int
    queue_size: int
    total_model_memory_gb: float
    memory_usage_percent: float
    max_tokens_limit: int
    auto_unload_enabled: bool
    inactivity_timeout_minutes: int


class SystemStatus(TypedDict):
    status: Literal["running"]
    system: Machine
    model_manager: ManagerState
    mlx_compatible: bool


class Told(TypedDict):
    """What happens now."""

    message: str
