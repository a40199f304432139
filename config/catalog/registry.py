"""What the files of a model say about its size: bytes on the disk, and bytes that its weights take in memory.

Only the headers of safetensors are read (huggingface.co/docs/safetensors: 8 bytes of length, then JSON that says
where each tensor begins and ends). MLX keeps weights as they are stored, so that the sum of the tensors is what a
loaded model holds, without its caches.
"""

import json
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

#: Weights that are no safetensors: NumPy's and PyTorch's files, which are as large as what is in them.
_OTHER_WEIGHTS = ("*.npz", "*.pth", "*.pt", "*.ckpt")
#: Longest header that is believed; the format's own readers allow no more.
_LONGEST_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class ModelSize:
    """`disk_bytes`: all of the model's files; `weight_bytes`: its weights in memory, None when nothing tells."""

    disk_bytes: int
    weight_bytes: int | None


def model_size(folder: Path) -> ModelSize:
    """The size of the model in this folder. Files that can't be read count as nothing."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    weights = _weights(folder)
    if not weights:
        others = [file for pattern in _OTHER_WEIGHTS for file in folder.rglob(pattern)]
        known = sum(_bytes(file) for file in others) if others else None
    else:
        known = sum(_tensor_bytes(file) for file in weights)
    return ModelSize(sum(map(_bytes, files)), known)


def _weights(folder: Path) -> list[Path]:
    """The safetensors that are loaded: those of the index, else `model*`, else all; also of a pipeline's parts."""
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_bytes())
        named = [folder / name for name in sorted(set(index["weight_map"].values()))]
        if named and all(file.is_file() and file.parent == folder for file in named):
            return named
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        pass
    here = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors"))
    if here:
        return here
    parts = sorted(part for part in folder.iterdir() if part.is_dir()) if folder.is_dir() else []
    return [file for part in parts for file in _weights(part)]


def _tensor_bytes(file: Path) -> int:
    try:
        status = file.stat()
        return _header(file, status.st_mtime_ns, status.st_size)
    except OSError:
        return 0


@lru_cache(maxsize=4096)
def _header(file: Path, changed: int, size: int) -> int:
    """Bytes of the tensors in this file; of one with no sound header its size. `changed` renews the answer."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > min(size, _LONGEST_HEADER):
                return size
            header = json.loads(opened.read(length))
        offsets = [tensor["data_offsets"] for name, tensor in header.items() if name != "__metadata__"]
        return sum(int(end) - int(begin) for begin, end in offsets)
    except (struct.error, ValueError, LookupError, AttributeError, TypeError):
        return size


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
