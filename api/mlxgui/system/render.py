"""The answers of `/v1/system`, of what the machine, the workers and the settings tell."""

import platform
from collections.abc import Sequence

from api.mlxgui.system.machine import Memory, is_apple_silicon, memory, processor
from api.mlxgui.system.schema import ManagerState, SystemStatus, Told
from api.models.entry import ModelEntry
from jobs.live_settings import LiveSettings
from jobs.worker_state import Device

#: Tokens that one answer may have (`api/mlxgui/generate/schema.py`).
MAX_TOKENS = 16384


def _gb(size: float) -> float:
    return round(size / 1024**3, 2)


def model_manager(
    loaded: Sequence[ModelEntry], waiting: int, settings: LiveSettings, now: Memory
) -> ManagerState:
    held = sum(entry.memory_bytes or 0 for entry in loaded)
    return {
        "loaded_models_count": len(loaded),
        "max_concurrent_models": settings.max_concurrent_models,
        "queue_size": waiting,
        "total_model_memory_gb": round(held / 1024**3, 3),
        "memory_usage_percent": round(100 * held / now.total, 1),
        "max_tokens_limit": MAX_TOKENS,
        "auto_unload_enabled": settings.auto_unload_inactive_models,
        "inactivity_timeout_minutes": settings.model_inactivity_timeout_minutes,
    }


def system_status(
    loaded: Sequence[ModelEntry],
    waiting: int,
    settings: LiveSettings,
    device: Device | None,
    active_bytes: int,
) -> SystemStatus:
    """`device` is what a worker says of the one it runs on, None when there is no worker.

    `active_bytes`: what all workers of that machine hold.
    """
    now = memory()
    compatible = device.mlx if device else is_apple_silicon()
    gpu = device.memory_bytes if device else 0
    return {
        "status": "running",
        "system": {
            "platform": platform.system(),
            "architecture": platform.machine(),
            "processor": processor(),
            "is_apple_silicon": is_apple_silicon(),
            "mlx_compatible": compatible,
            "memory": {
                "total_gb": _gb(now.total),
                "available_gb": _gb(now.available),
                "used_gb": _gb(now.used),
                "percent_used": now.percent,
            },
            "gpu_memory": {
                "total_gb": _gb(gpu),
                "available_gb": _gb(max(0, gpu - active_bytes)),
                "device_name": (device.name if device else None) or processor(),
            },
        },
        "model_manager": model_manager(loaded, waiting, settings, now),
        "mlx_compatible": compatible,
    }


def told(message: str) -> Told:
    return {"message": message}
