"""Layers of a key-value cache: which can be trimmed, and copies of those that can't.

Keys and values of plain attention belong to single tokens: such a layer can be trimmed to any of its beginnings.
A sliding window and the state of a recurrent layer hold what they need at one point only: such a layer has to be
copied at the point to which one wants to return. This module does not know tokens.
"""

import copy
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx.utils import tree_map

Layers = list[Any]
#: What can't be trimmed, at one point: for each leaf of the layers a copy of it, or None if it can be trimmed.
State = list[Any]

#: Leaves that can always be trimmed: those of mlx-lm and mlx-vlm, and `vision.model.RopeShift`. Others, such as
#: RotatingKVCache, claim it only while they are short.
_TRIMMABLE = frozenset({"KVCache", "ConcatenateKVCache", "QuantizedKVCache", "RopeShift"})


def leaves(layers: Sequence[Any]) -> Layers:
    """The layers, with those of a CacheList in its place."""
    found: Layers = []
    for layer in layers:
        found += leaves(layer.caches) if hasattr(layer, "caches") else [layer]
    return found


def needs_checkpoints(layers: Sequence[Any]) -> bool:
    """Whether the layers of a model can't be trimmed, at least when they are long. `layers` may be empty ones."""
    return not all(map(_is_plain, leaves(layers)))


def can_trim(layers: Sequence[Any]) -> bool:
    """Whether these layers can be trimmed as they are now."""
    # Caches without `merge` (Llama 4's) claim to be trimmable but have dropped earlier tokens.
    return all(leaf.is_trimmable() and hasattr(leaf, "merge") for leaf in leaves(layers))


def alias(layer: Any) -> Any:
    """A cache with the same arrays and an offset of its own."""
    twin = copy.copy(layer)
    if hasattr(layer, "caches"):
        twin.caches = tuple(alias(inner) for inner in layer.caches)
    if hasattr(layer, "cache"):
        twin.cache = list(layer.cache)
    return twin


def state_of(layers: Sequence[Any]) -> State:
    """A copy of what can't be trimmed, still to be evaluated. What is read or written later does not change it."""
    state = [None if _is_plain(leaf) else copy.deepcopy(leaf) for leaf in leaves(layers)]
    own_arrays([leaf for leaf in state if leaf is not None])
    return state


def returned(layers: Sequence[Any], dropped: int, state: State | None = None) -> Layers:
    """Aliases of the layers without the last `dropped` tokens. `state`: that point's, if some can't be trimmed."""
    twins = [alias(layer) for layer in layers]
    found = leaves(twins)
    for leaf, copied in zip(found, state or [None] * len(found), strict=True):
        if copied is not None:
            vars(leaf).update(vars(alias(copied)))
        elif dropped:
            leaf.trim(dropped)
            _cut(leaf)
    return twins


def own_arrays(layers: Sequence[Any]) -> None:
    """Give leaves that can't be trimmed arrays of their own, still to be evaluated.

    They may be slices of much larger arrays, which would stay in memory with them.
    """
    for leaf in leaves(layers):
        if not _is_plain(leaf):
            leaf.state = tree_map(_owned, leaf.state)


def arrays_of(state: State) -> list[Any]:
    """What has to be evaluated."""
    return [leaf.state for leaf in state if leaf is not None]


def state_bytes(state: State) -> int:
    return sum(leaf.nbytes for leaf in state if leaf is not None)


def _cut(leaf: Any) -> None:
    """Leave the arrays of a trimmed leaf without what it no longer holds: a reader that writes copies them."""
    if type(leaf).__name__ == "KVCache":
        leaf.keys = leaf.keys[..., : leaf.offset, :]
        leaf.values = leaf.values[..., : leaf.offset, :]


def _owned(value: Any) -> Any:
    return mx.contiguous(value) if isinstance(value, mx.array) else value


def _is_plain(leaf: Any) -> bool:
    return type(leaf).__name__ in _TRIMMABLE
