"""Facts of the machine from the operating system. Facts of MLX come from the workers."""

import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_SYSCTL = ("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string")


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes; `percent` of the total is used."""

    total: int
    available: int
    used: int
    percent: float


def memory() -> Memory:
    """What the machine has now. Used is all that is not available, as MLX-GUI counts."""
    import psutil

    now = psutil.virtual_memory()
    return Memory(now.total, now.available, now.total - now.available, now.percent)


@cache
def processor() -> str:
    """The name of the processor, such as `Apple M2 Pro`."""
    try:
        if platform.system() == "Darwin":
            asked = subprocess.run(_SYSCTL, capture_output=True, text=True, timeout=5, check=True)
            return asked.stdout.strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except (OSError, subprocess.SubprocessError):
        pass
    return platform.processor() or platform.machine()


def is_apple_silicon() -> bool:
    return platform.system() == "Darwin" and platform.machine() == "arm64"
