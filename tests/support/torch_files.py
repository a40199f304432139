"""Files as `torch.save` writes them, without torch."""

import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

_KINDS = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}


class _Tensor:
    """Pickled as torch's tensors are: a call of its function with a storage, which lies beside the pickle."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce__(self) -> Any:
        strides = tuple(step // self.data.itemsize for step in self.data.strides)
        function = sys.modules["torch._utils"]._rebuild_tensor_v2
        stored = self.data if self.data.flags.c_contiguous else self.data.T
        return function, (_Storage(stored), 0, self.data.shape, strides, False, OrderedDict())


class _Storage:
    def __init__(self, data: Any) -> None:
        self.data = data


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=2)
        self.storages: list[Any] = []

    def persistent_id(self, value: object) -> Any:
        if not isinstance(value, _Storage):
            return None
        self.storages.append(value.data)
        kind = getattr(sys.modules["torch"], _KINDS[str(value.data.dtype)])
        return "storage", kind, str(len(self.storages) - 1), "cpu", value.data.size


def torch_save(path: Path, content: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write what `torch.save` would: numpy's arrays are its tensors."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for kind in _KINDS.values():
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2() -> None:
        """Named in files."""

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "torch", torch)
        patched.setitem(sys.modules, "torch._utils", utils)
        file = io.BytesIO()
        pickler = _Pickler(file)
        pickler.dump(_with_tensors(content))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", file.getvalue())
        archive.writestr("archive/byteorder", "little")
        for number, data in enumerate(pickler.storages):
            archive.writestr(f"archive/data/{number}", data.tobytes())
    return path


def _with_tensors(content: Any) -> Any:
    if isinstance(content, np.ndarray):
        return _Tensor(content)
    if type(content) in (dict, OrderedDict):
        return OrderedDict((name, _with_tensors(value)) for name, value in content.items())
    return content
