"""Threads that only open recordings, so that other work does not wait for them.

A small file may take seconds to open. What is known of recordings is in `mlxq.media.audio`, which is loaded with the
first one.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Found = TypeVar("Found")

_POOL = ThreadPoolExecutor(2, thread_name_prefix="recordings")


async def opening(look: Callable[[], Found]) -> Found:
    """The result of `look`, which opens recordings. Raises what it raises."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, look)
