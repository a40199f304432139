"""The device that models run on: whether MLX works, its limits, and the memory that MLX holds."""

import logging
import platform
from functools import cache

import psutil

from config.settings import Settings
from jobs.worker_state import Device, MlxMemory

log = logging.getLogger(__name__)

#: What of the memory of a machine without a GPU models may take.
CPU_SHARE = 0.75


def set_limits(wired: int, cached: int) -> None:
    """Set the bytes that Metal keeps resident and that MLX keeps of freed buffers. No effect without Metal.

    `wired` 0: Metal's recommendation. Do not call it while something is computed.
    """
    here = device()
    if not here.gpu:
        return
    import mlx.core as mx

    mx.set_wired_limit(min(wired or here.memory_bytes, here.memory_bytes))
    mx.set_cache_limit(cached)


@cache
def device() -> Device:
    """The device of this machine; determined once."""
    try:
        import mlx.core as mx

        info = mx.device_info()
        gpu = mx.metal.is_available()
    except (ImportError, RuntimeError) as error:
        log.error("MLX cannot be used on this machine (%s): no model will load", error)
        return Device(mlx=False)
    if not gpu:
        log.warning("MLX runs on the CPU here, which is slow: it is made for Apple Silicon")
    limit = info.get("max_recommended_working_set_size", 0) if gpu else 0
    return Device(True, gpu, str(info.get("device_name") or "") or None, int(limit))


@cache
def chip() -> str:
    """The processor of this machine, as far as the system names it."""
    return device().name or platform.processor() or platform.machine()


def machine_bytes() -> int:
    """All memory of this machine."""
    return int(psutil.virtual_memory().total)


def memory_budget(settings: Settings) -> int:
    """Bytes for all models: the setting, else what the device recommends or most of the machine's memory."""
    if settings.memory_budget_gb:
        return int(settings.memory_budget_gb * 1024**3)
    return device().memory_bytes or int(machine_bytes() * CPU_SHARE)


def memory_use() -> MlxMemory:
    """MLX' own account; zeros where MLX does not work."""
    if not device().mlx:
        return MlxMemory()
    import mlx.core as mx

    return MlxMemory(mx.get_active_memory(), mx.get_peak_memory(), mx.get_cache_memory())
