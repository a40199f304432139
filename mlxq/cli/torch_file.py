"""Reads the tensors of a file that `torch.save` wrote, without torch and without running what the file says.

Such a file is a pickle, which may name any function to be called. Here no name of the file is ever imported: tensors
are made by this module, and every other object becomes an inert stand-in.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: torch's kinds of storage → numpy's types. What numpy lacks, bfloat16, is kept in single precision.
_TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
#: The first bytes of a zip file. GPT-SoVITS writes the number of a later version in their place.
_ZIP = b"PK"
LATER_VERSIONS = {b"02": "v3", b"03": "v3", b"04": "v4", b"05": "v2Pro", b"06": "v2ProPlus"}
#: Bytes of the largest pickle: names and shapes, no numbers.
_LARGEST_PICKLE = 64 << 20


class UnreadableFile(ValueError):
    """Why the file can't be read, for the user."""


class StandIn:
    """An object of a class that is not known: what was said of it, and nothing of what it could do."""

    def __init__(self, *arguments: object, **keywords: object) -> None:
        self.arguments = arguments

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update({str(name): value for name, value in state.items()})

    def __setitem__(self, name: object, value: object) -> None:
        self.__dict__[str(name)] = value

    def extend(self, values: object) -> None:
        """What a list would be given; it is not kept."""

    append = extend


@dataclass(frozen=True, slots=True)
class _Storage:
    data: Array


def read(path: Path) -> dict[str, Any]:
    """What was saved: a dict, with numpy's arrays for tensors. Raises UnreadableFile, OSError."""
    with path.open("rb") as file:
        head = file.read(2)
    if head in LATER_VERSIONS:
        raise UnreadableFile(f"{path.name} is of GPT-SoVITS {LATER_VERSIONS[head]}; version 2 is supported")
    if head != _ZIP:
        raise UnreadableFile(f"{path.name} was written by torch before 1.6: save it again with a newer one")
    try:
        with zipfile.ZipFile(path) as archive:
            found = _Unpickler(archive).load()
    except (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, ValueError, EOFError, IndexError) as error:
        raise UnreadableFile(f"{path.name} is damaged, or holds no tensors: {error}") from error
    except (TypeError, AttributeError) as error:
        raise UnreadableFile(f"{path.name} holds what is not understood: {error}") from error
    if not isinstance(found, dict):
        raise UnreadableFile(f"{path.name} holds no tensors by name")
    return cast(dict[str, Any], found)


def plain(value: object) -> object:
    """A value without stand-ins: they become what was said of them."""
    if isinstance(value, StandIn):
        return plain({name: each for name, each in vars(value).items() if name != "arguments"})
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool) or value is None else None


class _Unpickler(pickle.Unpickler):
    """Reads the pickle of an archive. It calls nothing but the functions of this module."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        names = archive.namelist()
        place = next((name for name in names if name.endswith("data.pkl")), None)
        if place is None:
            raise UnreadableFile("it has no data.pkl")
        if archive.getinfo(place).file_size > _LARGEST_PICKLE:
            raise UnreadableFile("its data.pkl is too large")
        order = f"{place.removesuffix('data.pkl')}byteorder"
        if order in names and archive.read(order) != b"little":
            raise UnreadableFile("its numbers are big-endian")
        super().__init__(io.BytesIO(archive.read(place)))
        self._archive = archive
        self._folder = place.removesuffix("data.pkl") + "data/"
        self._storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return _tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return _parameter
        if module in ("torch", "torch.storage") and name.endswith("Storage"):
            return name
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return StandIn

    def persistent_load(self, pid: Any) -> _Storage:
        """Called for each storage: ("storage", kind, key, place, number of elements)."""
        _, kind, key, *_ = pid
        key = str(key)
        if key not in self._storages:
            self._storages[key] = _Storage(_numbers(self._archive.read(self._folder + key), str(kind)))
        return self._storages[key]


def _numbers(data: bytes, kind: str) -> Array:
    if kind not in _TYPES:
        raise UnreadableFile(f"its tensors are of a kind that is not known: {kind}")
    if _TYPES[kind] == "bfloat16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, _TYPES[kind])


def _tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> Array:
    """A part of a storage, copied. Raises ValueError where it would lie outside of it."""
    shape, strides = tuple(map(int, shape)), tuple(map(int, strides))
    if len(shape) != len(strides) or min((offset, *shape, *strides), default=0) < 0:
        raise ValueError("a tensor has an impossible shape")
    if math.prod(shape) > len(storage.data):
        raise ValueError("a tensor is larger than its storage")
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if 0 not in shape and last >= len(storage.data):
        raise ValueError("a tensor lies outside of its storage")
    item = storage.data.itemsize
    view = np.lib.stride_tricks.as_strided(
        storage.data[offset:], shape, [step * item for step in strides], writeable=False
    )
    return np.ascontiguousarray(view).reshape(shape)


def _parameter(data: Array, *_: object) -> Array:
    return data
