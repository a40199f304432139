"""Imports of a process that starts."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Modules that only the command line of a library needs, which does without them where they can't be imported. With
#: these come rich and pygments: an eighth of the worker's imports, and 5 MB.
_COMMAND_LINES = ("httpx._main",)


@contextmanager
def without_collections() -> Iterator[None]:
    """Import in the block what stays for ever, and no command lines of libraries.

    Imports make many objects and hardly any garbage: to look for it takes a seventh of their time. What they made is
    kept out of later collections, too.
    """
    left_out = [name for name in _COMMAND_LINES if name not in sys.modules]
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
