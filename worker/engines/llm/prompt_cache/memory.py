"""The prompt cache: key-value caches by their tokens, found by the longest common prefix.

It is our own because mlx-lm's `LRUPromptCache` copies a whole cache for any prefix that it finds, even for three
tokens of 30,000. Nothing is copied here: BatchGenerator merges every cache that it gets into the arrays of its batch,
so that aliases with an offset of their own are safe.
"""

import threading
from collections import OrderedDict
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import can_trim_prompt_cache, trim_prompt_cache

from worker.engines.llm.prompt_cache.entry import Entry, alias, shared_length

#: Shortest prefix that is cached; entries are looked up by it. It is short enough for a template's own system prompt,
#: which was a third of the prompt tokens of 8 short chats (SmolLM2).
SHORTEST = 16


class PromptCache:
    """At most `max_entries` caches of at most `max_bytes` bytes together; the least recently used is dropped first.

    It belongs to the thread of its model; other threads may only `clear` it, when memory is needed.
    """

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        self.nbytes = 0
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._by_head: dict[tuple[int, ...], set[int]] = {}
        self._number = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def fetch(self, tokens: list[int]) -> tuple[list[Any] | None, int]:
        """A cache of a prefix of `tokens`, and the prefix' length; (None, 0) when there is none."""
        with self._lock:
            return self._fetch(tokens)

    def _fetch(self, tokens: list[int]) -> tuple[list[Any] | None, int]:
        wanted = np.asarray(tokens, dtype=np.int32)
        best, length = None, 0
        for number in self._by_head.get(tuple(tokens[:SHORTEST]), ()):
            entry = self._entries[number]
            common = shared_length(entry.tokens, wanted)
            if common > length and (entry.trimmable or common == len(entry.tokens)):
                best, length = number, common
        if best is None:
            return None, 0
        self._entries.move_to_end(best)
        entry = self._entries[best]
        layers = [alias(layer) for layer in entry.layers]
        if length < len(entry.tokens):
            trim_prompt_cache(layers, len(entry.tokens) - length)
        return layers, length

    def insert(self, tokens: list[int], layers: list[Any]) -> None:
        """Insert a cache that holds exactly `tokens`, and drop entries that it makes superfluous."""
        if len(tokens) < SHORTEST:
            return
        # Evaluated now: a lazy slice would keep the arrays of the whole batch alive.
        mx.eval([layer.state for layer in layers])
        entry = Entry(
            np.asarray(tokens, dtype=np.int32),
            layers,
            # Caches without `merge` (Llama 4's) claim to be trimmable but have dropped earlier tokens.
            can_trim_prompt_cache(layers) and all(hasattr(layer, "merge") for layer in layers),
            sum(layer.nbytes for layer in layers),
        )
        if entry.nbytes > self._max_bytes:
            return
        with self._lock:
            self._insert(tokens, entry)

    def _insert(self, tokens: list[int], entry: Entry) -> None:
        head = tuple(tokens[:SHORTEST])
        for number in list(self._by_head.get(head, ())):
            other = self._entries[number]
            covered = shared_length(other.tokens, entry.tokens) == len(other.tokens)
            if covered and (entry.trimmable or len(other.tokens) == len(entry.tokens)):
                self._drop(number)
        self._number += 1
        self._entries[self._number] = entry
        self._by_head.setdefault(head, set()).add(self._number)
        self.nbytes += entry.nbytes
        while len(self._entries) > self._max_entries or self.nbytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._by_head.clear()
            self.nbytes = 0

    def _drop(self, number: int) -> None:
        entry = self._entries.pop(number)
        self.nbytes -= entry.nbytes
        head = tuple(entry.tokens[:SHORTEST].tolist())
        self._by_head[head].remove(number)
        if not self._by_head[head]:
            del self._by_head[head]
