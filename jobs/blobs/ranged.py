"""A blob of another machine as a file that can be searched: what is read of it is fetched, a piece at a time."""

import io
from collections.abc import Callable
from typing import BinaryIO

#: Bytes that are fetched in one go, and held.
_PIECE = 1 << 20
#: The same where all of the rest is wanted.
_LARGE = 8 << 20


class _Ranged(io.RawIOBase):
    """`fetch` returns the bytes from its first argument up to its second one, which is not reached."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._size, self._fetch, self._place = size, fetch, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the beginning")
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            return self.readall()
        end = min(self._place + size, self._size)
        if end <= self._place:
            return b""
        data = self._fetch(self._place, end)
        self._place += len(data)
        return data

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]  # what io passes
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        pieces = []
        while piece := self.read(_LARGE):
            pieces.append(piece)
        return b"".join(pieces)


def ranged(size: int, fetch: Callable[[int, int], bytes]) -> BinaryIO:
    """A file of `size` bytes; `fetch` returns those from its first argument up to its second one."""
    return io.BufferedReader(_Ranged(size, fetch), _PIECE)
