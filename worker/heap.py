"""The heap of the C library: the CPU's arrays, and what libraries allocate.

glibc gives threads up to 8 heaps for each core, and keeps what was freed in them: in time each has been as large as
the largest model that was loaded with it. This module does not know what is on the heap.
"""

import ctypes
from typing import Any

#: Heaps that all threads share. Most of them wait for Python's lock, or for the engines.
_HEAPS = 2
#: `M_ARENA_MAX` of malloc.h
_ARENA_MAX = -8

_libc: Any = ctypes.CDLL(None)
#: Other libraries than glibc return what is freed by themselves.
_glibc = hasattr(_libc, "malloc_trim")


def share() -> None:
    """Have all threads share few heaps. Call it before there are many."""
    if _glibc:
        _libc.mallopt(_ARENA_MAX, _HEAPS)


def trim() -> None:
    """Return freed memory to the system. It takes tens of milliseconds."""
    if _glibc:
        _libc.malloc_trim(0)
