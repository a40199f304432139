"""Imports of a process that starts."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Import in the block what stays for ever.

    Imports make many objects and hardly any garbage: to look for it takes a seventh of their time. What they made is
    kept out of later collections, too.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
