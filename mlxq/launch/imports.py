"""Imports of a process that starts."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Modules that libraries do without where they can't be imported, and that are not used here. The command line of
#: httpx brings rich and pygments: an eighth of the worker's imports, and 5 MB. FastAPI asks whether types are of
#: the first pydantic.
_LEFT_OUT = ("httpx._main", "pydantic.v1")


@contextmanager
def without_collections() -> Iterator[None]:
    """Import in the block what stays for ever, without `_LEFT_OUT`.

    Imports make many objects and hardly any garbage: to look for it takes a seventh of their time. What they made is
    kept out of later collections, too.
    """
    left_out = [name for name in _LEFT_OUT if name not in sys.modules]
    for name in left_out:
        # What is None here can't be imported.
        sys.modules[name] = None  # type: ignore[assignment]
    gc.disable()
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]
        gc.freeze()
        gc.enable()
