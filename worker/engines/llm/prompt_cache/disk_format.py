"""The content of a file of the disk cache: arrays by their names, and what was written about them.

The format is safetensors. Files are read here, not by MLX, whose threads can't report an error: bytes are checked
before there is an array. They are written here, too: a thread that computes with MLX on the CPU changes the device of
all other threads, and MLX keeps a thread for it for ever. This module does not know layers.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec
import numpy as np

#: Bytes of a header: a tensor takes about 100.
_LONGEST_HEADER = 16 << 20
#: Name in the metadata of what is written about the arrays.
_ABOUT = "mlxq"
#: How numpy reads a type of safetensors, and how MLX views it.
_TYPES: dict[str, tuple[str, mx.Dtype]] = {
    "BOOL": ("?", mx.bool_),
    "U8": ("<u1", mx.uint8),
    "I8": ("<i1", mx.int8),
    "U16": ("<u2", mx.uint16),
    "I16": ("<i2", mx.int16),
    "U32": ("<u4", mx.uint32),
    "I32": ("<i4", mx.int32),
    "U64": ("<u8", mx.uint64),
    "I64": ("<i8", mx.int64),
    "F16": ("<f2", mx.float16),
    "BF16": ("<u2", mx.bfloat16),
    "F32": ("<f4", mx.float32),
}
_NAMES = {dtype: name for name, (_, dtype) in _TYPES.items()}


class Unreadable(ValueError):
    """The bytes are not what this module writes."""


class About(msgspec.Struct, frozen=True):
    """`length`: tokens of the prompt's beginning. `classes`: those of the layers. `values`: values that are no
    arrays, by their names.
    """

    digest: str
    length: int
    classes: list[str]
    values: dict[str, int | float | bool | str | None] = {}


class _Tensor(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes of an array. numpy does not know all types of MLX."""

    data: np.ndarray[Any, Any]
    dtype: mx.Dtype

    @staticmethod
    def views(arrays: Sequence[mx.array]) -> "list[Stored]":
        """The arrays' own bytes, which nothing may write into. Call it on the thread that has computed them."""
        # An array of its own: that of the layers may get other bytes.
        shared = [array.view(mx.uint16 if array.dtype == mx.bfloat16 else array.dtype) for array in arrays]
        mx.eval(shared)
        return [Stored(np.asarray(view), array.dtype) for view, array in zip(shared, arrays, strict=True)]

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.data.shape
        return shape

    def array(self) -> mx.array:
        """Copies the bytes. Call it on the thread that will use the array."""
        made = mx.array(self.data)
        return made if made.dtype == self.dtype else made.view(self.dtype)


@dataclass(frozen=True, slots=True)
class Content:
    about: About
    arrays: Mapping[str, Stored]

    @property
    def nbytes(self) -> int:
        return sum(stored.data.nbytes for stored in self.arrays.values())


def save(path: Path, arrays: Mapping[str, Stored], about: About) -> None:
    """Write a file, which must exist: it keeps its permissions."""
    entries: dict[str, object] = {"__metadata__": {_ABOUT: msgspec.json.encode(about).decode()}}
    end = 0
    for name, stored in arrays.items():
        begin, end = end, end + stored.data.nbytes
        entries[name] = _Tensor(_NAMES[stored.dtype], list(stored.shape), (begin, end))
    head = msgspec.json.encode(entries)
    with path.open("r+b") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for stored in arrays.values():
            file.write(np.ascontiguousarray(stored.data).data)


def parse(data: bytes) -> Content:
    """Raises Unreadable."""
    try:
        (size,) = struct.unpack_from("<Q", data)
        if size > min(_LONGEST_HEADER, len(data) - 8):
            raise Unreadable("the header is longer than the file")
        entries = msgspec.json.decode(data[8 : 8 + size], type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(entries.pop("__metadata__"), type=dict[str, str])
        about = msgspec.json.decode(metadata[_ABOUT], type=About)
        body = memoryview(data)[8 + size :]
        tensors = {name: msgspec.json.decode(entry, type=_Tensor) for name, entry in entries.items()}
        return Content(about, {name: _stored(body, tensor) for name, tensor in tensors.items()})
    except (struct.error, KeyError, TypeError, msgspec.MsgspecError) as error:
        raise Unreadable(str(error)) from error


def _stored(body: memoryview, tensor: _Tensor) -> Stored:
    kind, dtype = _TYPES[tensor.dtype]
    begin, end = tensor.data_offsets
    size = np.dtype(kind).itemsize * prod(tensor.shape)
    if min(tensor.shape, default=0) < 0 or not 0 <= begin <= end <= len(body) or end - begin != size:
        raise Unreadable("a tensor does not fit the file")
    # Some models keep values of width 0.
    flat = np.frombuffer(body[begin:end], kind) if size else np.empty(0, kind)
    return Stored(flat.reshape(tensor.shape), dtype)
