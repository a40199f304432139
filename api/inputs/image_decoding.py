"""Threads that only decode images, so that other work does not wait for them. Pillow is loaded with the first image.

An image of 6 KB may have 50 million pixels. Images are decoded at the same time up to the pixels of the largest one.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Made = TypeVar("Made")

_POOL = ThreadPoolExecutor(4, thread_name_prefix="images")


class Room:
    """Counts what is decoded at a time."""

    def __init__(self) -> None:
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, size: int, most: float) -> Iterator[None]:
        """Wait until there is room for so many pixels beside the others'; one alone always has room."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + size <= most)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()


_ROOM = Room()


async def decoding(make: Callable[[bytes, float], Made], data: bytes, most: float) -> Made:
    """`make` of an image and the most pixels that it may have. Raises UnreadableImage, as `make` does."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, _in_room, make, data, most)


def _in_room(make: Callable[[bytes, float], Made], data: bytes, most: float) -> Made:
    from mlxq.media.images import pixels

    with _ROOM.take(pixels(data, most), most):
        return make(data, most)
