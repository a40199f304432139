"""The size of a model by its files: bytes on the disk, and bytes of its weights in memory.

Only the headers of safetensors are read (huggingface.co/docs/safetensors: 8 bytes of length, then JSON that says
where each tensor begins and ends). MLX keeps weights as they are stored, so that the sum of the tensors is what a
loaded model holds, without its caches. On a CPU some engines make floats of 16 bits float32.
"""

import os
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlxq.catalog import foreign_json
from mlxq.catalog.foreign_json import UnsoundJson

#: Weights that are no safetensors: NumPy's and PyTorch's files, which are as large as what is in them.
_OTHER_WEIGHTS = frozenset({".npz", ".pth", ".pt", ".ckpt"})
#: Longest header that is read, and longest index of split weights: 100,000 tensors have 15 MB.
_LONGEST_HEADER = 32 << 20
#: Types of tensors that take twice their size as float32.
_HALVES = ("F16", "BF16")


@dataclass(frozen=True, slots=True)
class ModelSize:
    """`disk_bytes`: all of the model's files; `weight_bytes`: its weights in memory, None when unknown;
    `float32_bytes`: the same with its floats of 16 bits as float32.
    """

    disk_bytes: int
    weight_bytes: int | None
    float32_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file holds: bytes of its tensors, how many there are, and the longest side of any.

    `halves` are the bytes of floats of 16 bits. `tensors` is 0 when nothing is known but the file's size. `whole` is
    false for a file that is cut off, or is no safetensors.
    """

    bytes: int
    tensors: int
    longest: int
    halves: int = 0
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Tensor:
    bytes: int
    end: int
    longest: int
    is_half: bool

    @classmethod
    def of(cls, entry: Any) -> "_Tensor":
        """What a header says of a tensor. Raises LookupError, TypeError and ValueError for an unsound entry."""
        begin, end = entry["data_offsets"]
        longest = max(map(int, entry["shape"]), default=0)
        return cls(int(end) - int(begin), int(end), longest, entry.get("dtype") in _HALVES)


def model_size(folder: Path) -> ModelSize:
    """The size of the model in this folder. Files that can't be read count as nothing."""
    files = [Path(place) / name for place, _, names in os.walk(folder) for name in names]
    weights = weight_files(folder)
    if not weights:
        others = [file for file in files if file.suffix in _OTHER_WEIGHTS]
        known = wide = sum(map(_bytes, others)) if others else None
    else:
        headers = [header_of(file) for file in weights]
        known = sum(header.bytes for header in headers)
        wide = known + sum(header.halves for header in headers)
    return ModelSize(sum(map(_bytes, files)), known, wide)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors that a library loads: those of the index, else `model*`, else all, else a pipeline's parts'."""
    named = [folder / name for name in indexed_files(folder / "model.safetensors.index.json")]
    if named and all(file.parent == folder and _is_file(file) for file in named):
        return named
    here = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors"))
    if here:
        return here
    try:
        parts = sorted(Path(entry) for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != ".")
    except OSError:
        return []
    return [file for part in parts for file in _weights_of_part(part)]


def may_hold_tensors(folder: Path) -> bool:
    """False where the headers of all its weights name no tensor, or cannot be read."""
    files = weight_files(folder)
    return not files or any(header_of(file).tensors for file in files)


def indexed_files(index: Path) -> list[str]:
    """The names of the files of split weights, by their index; empty without one."""
    named = foreign_json.read_object(index, _LONGEST_HEADER).get("weight_map")
    return (
        sorted({name for name in named.values() if isinstance(name, str)}) if isinstance(named, dict) else []
    )


def _weights_of_part(part: Path) -> list[Path]:
    return sorted(part.glob("model*.safetensors")) or sorted(part.glob("*.safetensors"))


def header_of(file: Path) -> Header:
    """The file's header. A file without a sound one counts with its size."""
    try:
        status = file.stat()
        return _header(file, status.st_mtime_ns, status.st_size)
    except OSError:
        return Header(0, 0, 0)


@lru_cache(maxsize=4096)
def _header(file: Path, changed: int, size: int) -> Header:
    """`changed` is part of the cache's key."""
    try:
        with foreign_json.open_regular(file) as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > min(size, _LONGEST_HEADER):
                return Header(size, 0, 0, whole=length <= size)
            header: Any = foreign_json.parse(opened.read(length))
        tensors = [_Tensor.of(tensor) for name, tensor in header.items() if name != "__metadata__"]
        total = sum(tensor.bytes for tensor in tensors)
        halves = sum(tensor.bytes for tensor in tensors if tensor.is_half)
        longest = max((tensor.longest for tensor in tensors), default=0)
    except (struct.error, UnsoundJson, ValueError, LookupError, AttributeError, TypeError):
        return Header(size, 0, 0, whole=False)
    # A header may claim more than the file holds.
    whole = max((tensor.end for tensor in tensors), default=0) <= size - length - 8
    return Header(min(max(total, 0), size), len(tensors), longest, min(max(halves, 0), size), whole)


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:
        return False


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
