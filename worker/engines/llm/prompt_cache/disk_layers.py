"""The layers of a prompt's cache as arrays with names, and back.

Keys and values of plain attention belong to single tokens and are cut into blocks. All other layers (sliding
windows, states of recurrent layers) only hold what they need at one point and are written as a whole. This module
knows layers. It does not know files.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from worker.engines.llm.prompt_cache.disk_format import About, Content, Stored, Unreadable
from worker.engines.llm.prompt_cache.disk_pieces import Key
from worker.engines.llm.prompt_cache.layers import Layers, leaves, returned, state_of


@dataclass(frozen=True, slots=True)
class Piece:
    """What is written into one file."""

    arrays: dict[str, Stored]
    about: About

    @property
    def nbytes(self) -> int:
        return sum(stored.data.nbytes for stored in self.arrays.values())


def by_token(leaf: Any) -> bool:
    """Whether it holds keys and values [rows, heads, tokens, width] of every token, as the libraries' KVCache."""
    return type(leaf).__name__ == "KVCache"


def stored_leaves(layers: Sequence[Any]) -> Layers:
    """The leaves that are written. `stored` is false for what every prompt sets anew; such leaves are the last."""
    return [leaf for leaf in leaves(layers) if getattr(leaf, "stored", True)]


def can_store(layers: Sequence[Any]) -> bool:
    """Whether the state of all layers can be read and set. `layers` are empty ones."""
    kinds = (type(leaf) for leaf in stored_leaves(layers))
    return all(isinstance(state := getattr(kind, "state", None), property) and state.fset for kind in kinds)


def snapshot(layers: Sequence[Any], begin: int) -> Layers:
    """Copies of the layers as they are now, which have the keys and values of single tokens from `begin` on only."""
    twins = returned(layers, 0, state_of(layers))
    for leaf in filter(by_token, leaves(twins)):
        leaf.keys = mx.contiguous(leaf.keys[..., begin : leaf.offset, :])
        leaf.values = mx.contiguous(leaf.values[..., begin : leaf.offset, :])
        leaf.offset -= begin
    return twins


class Format:
    """How the layers of one model are written. `make`: makes empty layers."""

    def __init__(self, make: Callable[[], Layers]) -> None:
        self._make = make
        empty = stored_leaves(make())
        self._classes = [type(leaf).__name__ for leaf in empty]
        #: indices of the leaves of each kind
        self._cut = [index for index, leaf in enumerate(empty) if by_token(leaf)]
        self._whole = [index for index, leaf in enumerate(empty) if not by_token(leaf)]

    @property
    def has_blocks(self) -> bool:
        return bool(self._cut)

    @property
    def has_state(self) -> bool:
        """Whether a prompt can only be continued where a state was written."""
        return bool(self._whole)

    def fits(self, layers: Sequence[Any]) -> bool:
        """Whether these are layers of this model, with tokens in all of them."""
        found = stored_leaves(layers)
        if [type(leaf).__name__ for leaf in found] != self._classes:
            return False
        return all(found[index].keys is not None for index in self._cut) and self.has_states(found)

    def has_states(self, states: Sequence[Any]) -> bool:
        """Whether each layer that is not cut into blocks has a state. `states`: by the layers' leaves."""
        return all(
            states[index] is not None
            and any(isinstance(value, mx.array) for _, value in _state(states[index]))
            for index in self._whole
        )

    def state_bytes(self, states: Sequence[Any]) -> int:
        """Bytes of the layers that are not cut into blocks."""
        return sum(int(states[index].nbytes) for index in self._whole)

    def by_token(self, layers: Sequence[Any]) -> dict[str, Stored]:
        """Keys and values of single tokens, which pieces are cut from."""
        found = leaves(layers)
        return _stored(
            {
                f"{index}.{name}": array
                for index in self._cut
                for name, array in (("keys", found[index].keys), ("values", found[index].values))
            }
        )

    def block(self, key: Key, by_token: Mapping[str, Stored], begin: int, end: int) -> Piece:
        """Keys and values of positions in the layers."""
        arrays = {
            name: Stored(stored.data[..., begin:end, :], stored.dtype) for name, stored in by_token.items()
        }
        return Piece(arrays, About(key.digest, key.length, self._classes))

    def state(
        self, key: Key, states: Sequence[Any], by_token: Mapping[str, Stored], begin: int, end: int
    ) -> Piece:
        """All other layers, by leaves, at one point, with the keys and values since the last full block."""
        tail = self.block(key, by_token, begin, end).arrays if end > begin else {}
        arrays: dict[str, mx.array] = {}
        values: dict[str, int | float | bool | str | None] = {}
        for index in self._whole:
            for path, value in _state(states[index]):
                if isinstance(value, mx.array):
                    arrays[f"{index}.{path}"] = value
                else:
                    values[f"{index}.{path}"] = value
        return Piece(tail | _stored(arrays), About(key.digest, key.length, self._classes, values))

    def check(self, key: Key, content: Content) -> None:
        """Raises Unreadable for a file of another prompt or of another kind of model."""
        about = content.about
        if (about.digest, about.length) != (key.digest, key.length) or about.classes != self._classes:
            raise Unreadable("it belongs to another prompt")

    def assembly(self, length: int) -> "Assembly":
        return Assembly(self._make(), self._cut, self._whole, length)


class Assembly:
    """Puts pieces together to layers that hold `length` tokens. It belongs to the thread of its model."""

    def __init__(self, layers: Layers, cut: list[int], whole: list[int], length: int) -> None:
        self._layers = layers
        self._leaves = leaves(layers)
        self._cut, self._whole = cut, whole
        self._length = length
        self._arrays: dict[str, mx.array] = {}
        self._done = 0

    def add_tokens(self, content: Content, count: int) -> None:
        """Append the next `count` tokens. Raises Unreadable."""
        for index in self._cut:
            for name in ("keys", "values"):
                self._append(f"{index}.{name}", content, count)
        mx.eval(list(self._arrays.values()))
        self._done += count

    def _append(self, name: str, content: Content, count: int) -> None:
        stored = content.arrays.get(name)
        if stored is None or len(stored.shape) != 4 or stored.shape[0] != 1 or stored.shape[2] != count:
            raise Unreadable(f"{name} is missing, or has another shape")
        whole = self._arrays.get(name)
        if whole is None:
            shape = (*stored.shape[:2], self._length, stored.shape[3])
            whole = self._arrays[name] = mx.zeros(shape, stored.dtype)
        elif (whole.shape[1], whole.shape[3], whole.dtype) != (
            stored.shape[1],
            stored.shape[3],
            stored.dtype,
        ):
            raise Unreadable(f"{name} has another shape than before")
        # The assignment happens in place: nothing else has this array.
        whole[..., self._done : self._done + count, :] = stored.array()

    def set_state(self, content: Content) -> None:
        """Set the layers that are no keys and values of single tokens. Raises Unreadable."""
        values: dict[str, object] = {name: stored.array() for name, stored in content.arrays.items()}
        values.update(content.about.values)
        for index in self._whole:
            start = f"{index}."
            items = [
                (name.removeprefix(start), value) for name, value in values.items() if name.startswith(start)
            ]
            _set_state(self._leaves[index], sorted(items, key=_order))
        mx.eval([value for value in values.values() if isinstance(value, mx.array)])

    def layers(self, length: int) -> Layers:
        """The layers with the first `length` tokens, at most as many as were added."""
        for index in self._cut:
            leaf = self._leaves[index]
            leaf.keys = self._arrays[f"{index}.keys"]
            leaf.values = self._arrays[f"{index}.values"]
            leaf.offset = length
        return self._layers


def _stored(arrays: Mapping[str, mx.array]) -> dict[str, Stored]:
    return dict(zip(arrays, Stored.views(list(arrays.values())), strict=True))


def _state(leaf: Any) -> list[tuple[str, Any]]:
    """Its state as named values. mlx-vlm's layers have more of it in `meta_state`."""
    found: Any = tree_flatten([leaf.state, getattr(leaf, "meta_state", None)])
    return list(found)


def _set_state(leaf: Any, items: list[tuple[str, object]]) -> None:
    try:
        state, more = tree_unflatten(items)
        leaf.state = state
        if hasattr(leaf, "meta_state"):
            leaf.meta_state = more
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"the state of a {type(leaf).__name__} does not fit: {error}") from error


def _order(item: tuple[str, object]) -> list[int | str]:
    return [int(part) if part.isdecimal() else part for part in item[0].split(".")]
