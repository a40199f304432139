"""A fast BLAS for MLX on Linux, whose CPU wheel carries the slow reference BLAS. On macOS nothing is needed.

Takes Debian's OpenBLAS where it is installed, else unpacks its packages into a folder of our own. Nothing in
the project depends on it; it makes a batch of 32 cost a few times a batch of 1, as on a GPU.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = ("libquadmath0", "libgfortran5", "libopenblas0-pthread")
LIBRARIES = ("libquadmath.so.0", "libgfortran.so.5", "openblas-pthread/libblas.so.3")
FOLDER = Path("usr/lib/x86_64-linux-gnu")
#: Where packages are unpacked.
CACHE = Path(tempfile.gettempdir()) / "mlxq-bench-openblas"


def find(cache: Path = CACHE) -> str:
    """The value for LD_PRELOAD, or "" where there is none to be had. `cache`: where to unpack packages."""
    if sys.platform != "linux":
        return ""
    return _libraries(Path("/")) or _libraries(cache) or _download(cache)


def environment(preload: str) -> dict[str, str]:
    """For a process that uses MLX. One BLAS thread, as the client and the server share the cores."""
    return {"LD_PRELOAD": preload, "OPENBLAS_NUM_THREADS": "1"} if preload else {}


def _libraries(root: Path) -> str:
    files = [root / FOLDER / name for name in LIBRARIES]
    return ":".join(map(str, files)) if all(file.exists() for file in files) else ""


def _download(cache: Path) -> str:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return ""
    cache.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            ["apt-get", "download", *PACKAGES], cwd=cache, check=True, capture_output=True, timeout=120
        )
        for package in cache.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, cache], check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError):
        return ""
    return _libraries(cache)
