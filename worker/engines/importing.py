"""Imports libraries of models: by one thread at a time, and without what they would change in this process.

This module knows transformers, which they all use. It does not know which library a model needs.
"""

import builtins
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlxq.catalog.extras import lacking
from mlxq.launch.imports import without_collections

#: The libraries import transformers, whose modules import one another on first use. Two threads at once fail.
_IMPORTS = threading.Lock()
#: set when the first library has been imported
_settled = threading.Event()
#: What libraries import of huggingface_hub to ask the hub, and do not call: models are folders here.
_HUB_CLIENT = ("CommitOperationAdd", "HfApi", "ModelCard", "ModelCardData", "snapshot_download")


@contextmanager
def importing() -> Iterator[None]:
    """Import by one thread at a time, and without changing this process' limits. NotSupported: an extra is missing.

    Objects of the first import stay for ever and are excluded from Python's garbage collection: each unload collects,
    and a collection that visits all of transformers would delay every other lane.
    """
    with _IMPORTS, _own_limits():
        # No model has been loaded before the first import: nothing is frozen that has to be freed.
        with nullcontext() if _settled.is_set() else without_collections():
            try:
                if not _settled.is_set():
                    _import_hub_client_on_call()
                    with _without_torch_models():
                        _import_transformers()
                yield
            except ModuleNotFoundError as error:
                raise lacking(error) or error from error
        _settled.set()


@contextmanager
def _own_limits() -> Iterator[None]:
    """mlx-lm sets the limit of open files to (2048, 4096) when it is imported. That fails where the hard limit is
    lower, and would lower a higher one for good.
    """
    real = resource.setrlimit

    def setrlimit(which: int, limits: tuple[int, int]) -> None:
        if which != resource.RLIMIT_NOFILE:
            real(which, limits)

    resource.setrlimit = setrlimit
    try:
        yield
    finally:
        resource.setrlimit = real


@contextmanager
def _without_torch_models() -> Iterator[None]:
    """Have transformers read none of its models that need torch, where there is no torch.

    It reads all files of its models to learn which names it has. These are two thirds of the text.
    """
    real = builtins.open

    def readable(file: Any, *args: Any, **options: Any) -> Any:
        place, name = os.path.split(file) if isinstance(file, str) else ("", "")
        hidden = name.startswith("modeling_") and f"{os.sep}transformers{os.sep}models{os.sep}" in place
        return real(os.devnull if hidden else file, *args, **options)

    if find_spec("torch") is None:
        builtins.open = readable
    try:
        yield
    finally:
        builtins.open = real


class _OnCall(type):
    """The type of what stands in for a name of huggingface_hub until it is used. A class, as annotations name it."""

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        return cls._real()(*arguments, **options)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls._real(), name)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls._real())

    def _real(cls) -> Any:
        import huggingface_hub

        return huggingface_hub.__getattr__(cls.__name__)


def _import_hub_client_on_call() -> None:
    """Have the hub's client imported where it is called after all: it is a tenth of the import, and 4 MB."""
    import huggingface_hub

    for name in _HUB_CLIENT:
        setattr(huggingface_hub, name, _OnCall(name, (), {}))


def _import_transformers() -> None:
    """Import transformers and what its models define, and disable its ways to load code of models.

    It learns what they define by reading 2,500 files: once for itself, which it remembers by their folder, and once
    more for its package `models`, which asks by a file of that folder. That took a seventh of a worker's start.
    """
    # It would advise to install torch, which nothing here needs.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers.utils import import_utils as utils

    from worker.guard.libraries import disable_model_code

    import_utils: Any = utils
    read = import_utils.define_import_structure

    def remembered(file: str) -> Any:
        return read(Path(file).parent)

    import_utils.define_import_structure = remembered
    try:
        import transformers.models  # noqa: F401
    finally:
        import_utils.define_import_structure = read
    disable_model_code()
