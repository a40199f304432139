"""Finds token sequences by their beginnings. Sequences are bytes, four for each token.

In a sorted list those with the longest common beginning are neighbours. This module does not know what is stored.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np

Value = TypeVar("Value")
WIDTH = 4


class PrefixIndex(Generic[Value]):
    """Sequences, and the values that were added for each of them."""

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        self._values: dict[bytes, list[Value]] = {}

    def add(self, key: bytes, value: Value) -> None:
        if key not in self._values:
            insort(self._keys, key)
            self._values[key] = []
        self._values[key].append(value)

    def remove(self, key: bytes, value: Value) -> None:
        values = self._values[key]
        values.remove(value)
        if not values:
            del self._values[key]
            del self._keys[bisect_left(self._keys, key)]

    def clear(self) -> None:
        self._keys.clear()
        self._values.clear()

    def nearest(self, key: bytes) -> tuple[int, Value | None]:
        """The length, in tokens, of the longest common beginning with any sequence, and that one's value."""
        place = bisect_left(self._keys, key)
        best, found = 0, None
        for neighbour in self._keys[max(0, place - 1) : place + 1]:
            if (length := shared_length(neighbour, key)) > best:
                best, found = length, self._values[neighbour][-1]
        return best, found

    def beginnings(self, key: bytes) -> Iterator[tuple[int, Value]]:
        """The sequences that `key` begins with, the longest and newest first: their lengths in tokens and values."""
        place = bisect_right(self._keys, key)
        while place:
            found = self._keys[place - 1]
            length = shared_length(found, key)
            if length * WIDTH == len(found):
                for value in reversed(self._values[found]):
                    yield length, value
                place -= 1
            else:
                # What lies between begins as `found` does, and differs from `key`.
                place = bisect_right(self._keys, key[: length * WIDTH], hi=place - 1)


def shared_length(one: bytes, other: bytes) -> int:
    """The number of equal leading tokens."""
    length = min(len(one), len(other)) // WIDTH
    first = np.frombuffer(one, dtype=np.int32, count=length)
    second = np.frombuffer(other, dtype=np.int32, count=length)
    different = np.flatnonzero(first != second)
    return int(different[0]) if different.size else length
