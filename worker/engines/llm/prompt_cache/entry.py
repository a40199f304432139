"""A cached prompt: its tokens, the layers that hold them, and the points to which it can be cut.

This module knows what a cached prompt is worth. It does not know how entries are stored or found.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import mlx.core as mx
import numpy as np

from worker.engines.llm.prompt_cache.layers import (
    Layers,
    State,
    arrays_of,
    can_trim,
    own_arrays,
    returned,
    state_bytes,
    state_of,
)

#: States of layers that can't be trimmed, by the number of tokens that they have read.
Checkpoints = dict[int, State]

#: Tokens after which attention takes as long as everything else that a model computes for a token: 30,000 for a
#: model of 8 billion parameters, less for smaller ones.
_LONG = 32768
#: Checkpoints of an entry: the first, which other conversations share, and the last ones.
MOST_CHECKPOINTS = 4


@dataclass(frozen=True, slots=True)
class CachedPrompt:
    """Tokens, and the layers of the key-value cache that holds them."""

    tokens: list[int]
    layers: Layers
    checkpoints: Checkpoints = field(default_factory=dict)


class Beginning(NamedTuple):
    """The first `length` tokens of a cached prompt, for a row of its own. `checkpoints` go up to `length`."""

    length: int
    layers: Layers
    checkpoints: Checkpoints


@dataclass(slots=True, eq=False)
class Entry:
    """A cached prompt in memory. `key`: its tokens as bytes. `trimmable`: any beginning of it can be used."""

    key: bytes
    length: int
    layers: Layers
    checkpoints: Checkpoints
    trimmable: bool
    nbytes: int
    #: tokens at its beginning that a newer entry serves as well
    shared: int = 0
    #: see `PromptCache`
    priority: float = 0.0

    @classmethod
    def of(cls, prompt: CachedPrompt) -> "Entry":
        """The entry of a prompt, whose arrays are computed now."""
        layers = prompt.layers
        trimmable = can_trim(layers)
        checkpoints = {} if trimmable else _thinned(prompt.checkpoints, len(prompt.tokens))
        # A lazy slice would keep the arrays of the whole batch alive.
        own_arrays(layers)
        mx.eval([layer.state for layer in layers], *map(arrays_of, checkpoints.values()))
        nbytes = sum(layer.nbytes for layer in layers) + sum(map(state_bytes, checkpoints.values()))
        return cls(key_of(prompt.tokens), len(prompt.tokens), layers, checkpoints, trimmable, nbytes)

    @property
    def points(self) -> list[int]:
        """The lengths of its beginnings that can be used, unless all can."""
        return [*self.checkpoints, self.length]

    @property
    def worth(self) -> float:
        """What reading again what it alone has would cost, in tokens at the start of a prompt, per byte."""
        tokens = self.length - self.shared
        return tokens * (1 + (self.length + self.shared) / (2 * _LONG)) / max(1, self.nbytes)

    def beginning(self, length: int) -> Beginning:
        """Aliases of what holds its first `length` tokens; one of `points`, unless it is trimmable."""
        if self.trimmable:
            return Beginning(length, returned(self.layers, self.length - length), {})
        checkpoints = {point: state for point, state in self.checkpoints.items() if point <= length}
        if length == self.length:
            checkpoints[length] = state_of(self.layers)
        return Beginning(
            length, returned(self.layers, self.length - length, checkpoints[length]), checkpoints
        )


def key_of(tokens: list[int]) -> bytes:
    """Tokens as bytes, whose order is that of `PrefixIndex`."""
    return np.asarray(tokens, dtype=np.int32).tobytes()


def _thinned(checkpoints: Checkpoints, length: int) -> Checkpoints:
    """Those before `length`: the first and the last ones."""
    points = sorted(point for point in checkpoints if point < length)
    kept = points if len(points) <= MOST_CHECKPOINTS else [points[0], *points[1 - MOST_CHECKPOINTS :]]
    return {point: checkpoints[point] for point in kept}
