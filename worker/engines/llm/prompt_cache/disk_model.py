"""Which model a stored prompt belongs to: keys and values of another model, or of other weights, are of no use.

This module knows the files of models and the versions of libraries. It does not read weights.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path

from mlxq.catalog import ModelRef
from worker.engines.precision import keeps_halves

#: Counts changes of the format of the files.
FORMAT = 1
#: Bytes of each file of weights that are compared: its header, for the most part.
_BEGINNING = 64 << 10
_WEIGHTS = frozenset({".safetensors", ".npz", ".gguf"})
_CONFIGURATIONS = frozenset({"config.json", "adapter_config.json"})


def identity(ref: ModelRef) -> str:
    """Differs for each model, adapter, precision and version of a library that computes. 64 hexadecimal digits.

    Weights count by their names, sizes, times of change and beginnings. Raises OSError.
    """
    known = hashlib.sha256(f"{FORMAT} {keeps_halves()}".encode())
    for library in ("mlx", "mlx-lm", "mlx-vlm"):
        known.update(f" {library} {version(library)}".encode())
    for folder in (ref.path, ref.adapter.path if ref.adapter else None):
        known.update(b"\0")
        for path in sorted(folder.rglob("*")) if folder is not None else ():
            if path.suffix.lower() in _WEIGHTS or path.name in _CONFIGURATIONS:
                known.update(_told(path, path.relative_to(folder) if folder else path))
    return known.hexdigest()


def _told(path: Path, name: Path) -> bytes:
    status = path.stat()
    # A view has its own copy of each configuration: only its content counts.
    times = str(status.st_mtime_ns) if path.suffix.lower() in _WEIGHTS else ""
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    return f"\0{name.as_posix()} {status.st_size} {times} ".encode() + hashlib.sha256(beginning).digest()
