"""Bounds what a model's processor makes of pictures: its files say to which size each is scaled.

A picture of one row of pixels becomes large too, where the shorter side is scaled. This module knows Pillow.
"""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

#: Pixels of all that is scaled for one request. 32 pictures, each cut into tiles, stay below it.
MOST_SCALED = 300_000_000


class _Room(threading.local):
    """Pixels that this thread may still make; None: any number."""

    left: float | None = None


_room = _Room()


@contextmanager
def bounded_scaling() -> Iterator[None]:
    """In this context, scaling pictures raises ValueError when it makes too much of them."""
    _watch()
    _room.left = MOST_SCALED
    try:
        yield
    finally:
        _room.left = None


@functools.cache
def _watch() -> None:
    pillow: Any = Image.Image
    theirs = pillow.resize

    @functools.wraps(theirs)
    def resize(picture: Image.Image, size: Any, *args: Any, **options: Any) -> Image.Image:
        if _room.left is not None:
            width, height = size
            _room.left -= width * height
            if _room.left < 0:
                raise ValueError(f"pictures are scaled to more than {MOST_SCALED} pixels")
        scaled: Image.Image = theirs(picture, size, *args, **options)
        return scaled

    pillow.resize = resize
