"""A cached prompt: its tokens, and the layers of the key-value cache that holds them.

This module knows arrays of tokens and cache layers. It does not know how they are stored or found.
"""

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class CachedPrompt(NamedTuple):
    """Tokens, and the layers of the key-value cache that holds them."""

    tokens: list[int]
    layers: list[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A cached prompt in memory. `trimmable`: any prefix of its tokens can be used."""

    tokens: np.ndarray[Any, np.dtype[np.int32]]
    layers: list[Any]
    trimmable: bool
    nbytes: int


def shared_length(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> int:
    """The number of equal leading tokens."""
    length = min(len(one), len(other))
    different = np.flatnonzero(one[:length] != other[:length])
    return int(different[0]) if different.size else length


def alias(layer: Any) -> Any:
    """A cache with the same arrays and an offset of its own."""
    twin = copy.copy(layer)
    if hasattr(layer, "caches"):
        twin.caches = tuple(alias(inner) for inner in layer.caches)
    if hasattr(layer, "cache"):
        twin.cache = list(layer.cache)
    return twin
