"""Imports of a process that starts."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Modules that libraries do without where they can't be imported, and that are not used here. The command line of
#: httpx brings rich and pygments: an eighth of the worker's imports, and 5 MB. FastAPI asks whether types are of
#: the first pydantic; redis measures itself where OpenTelemetry's SDK is installed (3 MB). Traces import that later.
_LEFT_OUT = ("httpx._main", "pydantic.v1", "opentelemetry.sdk")


@contextmanager
def without_collections() -> Iterator[None]:
    """Import in the block what stays for ever, without `_LEFT_OUT`.

    Imports make many objects and hardly any garbage: to look for it takes a seventh of their time. What they made is
    kept out of later collections, too.
    """
    left_out = [name for name in _LEFT_OUT if name not in sys.modules]
    for name in left_out:
        # What is None here can't be imported.
        sys.modules[name] = None  # type: ignore[assignment]  # documented
    gc.disable()
    try:
        with _models_unbuilt():
            yield
    finally:
        for name in left_out:
            del sys.modules[name]
        gc.freeze()
        gc.enable()


@contextmanager
def _models_unbuilt() -> Iterator[None]:
    """Have validators of pydantic's models built when they are first used; pydantic lets one thread do it.

    FastAPI alone has thirty models for its description of the routes. Plugins of pydantic are not looked for in the
    metadata of all installed packages.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from pydantic import BaseModel

    usual = BaseModel.model_config
    BaseModel.model_config = {**usual, "defer_build": True}
    try:
        yield
    finally:
        BaseModel.model_config = usual
