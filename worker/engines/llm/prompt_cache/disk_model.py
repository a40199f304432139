"""The disk cache of a model. Keys and values of another model, or of other weights, are of no use.

This module knows settings, the files of models and the versions of libraries. It does not read weights.
"""

import hashlib
import logging
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from config.settings import Settings
from mlxq.catalog import ModelRef
from mlxq.catalog.stored_prompts import folder_of_model, folder_of_prompts
from worker.engines.llm.prompt_cache.disk import DiskCache
from worker.engines.llm.prompt_cache.disk_files import PieceFiles
from worker.engines.llm.prompt_cache.disk_layers import can_store
from worker.engines.llm.prompt_cache.disk_room import disk_room
from worker.engines.llm.prompt_cache.layers import Layers
from worker.engines.precision import keeps_halves

log = logging.getLogger(__name__)

#: Counts changes of the format of the files.
FORMAT = 1
#: Bytes of each file of weights that are compared: its header, for the most part.
_BEGINNING = 64 << 10
_WEIGHTS = frozenset({".safetensors", ".npz", ".gguf"})
_CONFIGURATIONS = frozenset({"config.json", "adapter_config.json"})


def disk_cache(ref: ModelRef, settings: Settings, make_layers: Callable[[], Layers]) -> DiskCache | None:
    """The stored prompts of a model, whose empty layers `make_layers` makes. None where prompts are not stored."""
    if not settings.prompt_cache_disk_bytes:
        return None
    if not can_store(make_layers()):
        log.info("%s has layers that can't be stored: its prompts are not kept on the disk", ref.id)
        return None
    try:
        model = identity(ref)
    except OSError as error:
        log.warning("prompts of %s are not kept on the disk: %s", ref.id, error.strerror)
        return None
    room = disk_room(folder_of_prompts(settings.data_dir), settings.prompt_cache_disk_bytes)
    folder = folder_of_model(settings.data_dir, ref.base_id) / model[:16]
    return DiskCache(PieceFiles(folder, room), model, make_layers)


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
