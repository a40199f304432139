"""The prompt cache in memory: key-value caches by their tokens, found by the longest common beginning.

It is our own because mlx-lm's `LRUPromptCache` copies a whole cache for any prefix that it finds, even for three
tokens of 30,000. Nothing is copied here: BatchGenerator merges every cache that it gets into the arrays of its batch,
so that aliases with an offset of their own are safe.
"""

import threading
from collections.abc import Callable

from worker.engines.llm.prompt_cache.entry import Beginning, CachedPrompt, Entry, key_of
from worker.engines.llm.prompt_cache.index import WIDTH, PrefixIndex

#: Shortest prefix that is cached. It is short enough for a template's own system prompt, which was a third of the
#: prompt tokens of 8 short chats (SmolLM2).
SHORTEST = 16


class PromptCache:
    """Cached prompts, as many as memory holds.

    What goes first is decided as in GreedyDual-Size (Cao and Irani 1997): an entry's priority is what reading it
    again would cost per byte, plus the priority of the last entry that had to go. Each use sets it anew. Cheap
    entries go before dear ones, and each goes in the end if it is not used. Where a newer entry has the same
    beginning, only the rest of the older one counts: an answer whose reasoning has left the history goes soon.

    It belongs to the thread of its model; other threads may only `clear` it, when memory is needed.
    """

    def __init__(self, limit: Callable[[int], int]) -> None:
        """`limit`: how many bytes the cache may have now, from how many it has."""
        self.nbytes = 0
        self._limit = limit
        #: in the order of their last use
        self._entries: dict[Entry, None] = {}
        self._whole: PrefixIndex[Entry] = PrefixIndex()
        #: beginnings of entries that can't be trimmed, at which they can be used
        self._points: PrefixIndex[Entry] = PrefixIndex()
        self._clock = 0.0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def fetch(self, tokens: list[int]) -> Beginning | None:
        """The longest cached beginning of `tokens`. Its arrays must not be written to."""
        with self._lock:
            length, entry = self._longest(key_of(tokens))
            if entry is None or length < SHORTEST:
                return None
            entry.shared = 0
            self._use(entry)
            return entry.beginning(length)

    def insert(self, prompt: CachedPrompt) -> None:
        """Insert a prompt, unless it is part of another entry, and drop the entries that it makes superfluous.

        Its arrays are computed then, whether or not there is room.
        """
        if len(prompt.tokens) < SHORTEST:
            return
        entry = Entry.of(prompt)
        with self._lock:
            # Its arrays are in memory already.
            limit = self._limit(self.nbytes + entry.nbytes)
            if entry.nbytes > limit:
                return
            length, other = self._whole.nearest(entry.key)
            if other is not None and length == entry.length:
                self._use(other)
                return
            for covered in self._covered(entry):
                self._drop(covered)
            length, other = self._longest(entry.key)
            if other is not None:
                other.shared = length
                other.priority = self._clock + other.worth
            self._add(entry)
            self._shrink(limit, entry)

    def clear(self, wanted: int | None = None) -> None:
        """Drop entries of so many bytes, by default all."""
        with self._lock:
            if wanted is not None:
                self._shrink(self.nbytes - wanted)
                return
            self._entries.clear()
            self._whole.clear()
            self._points.clear()
            self.nbytes = 0

    def _longest(self, key: bytes) -> tuple[int, Entry | None]:
        """The length of the longest beginning of `key` that can be used, and its entry."""
        length, entry = self._whole.nearest(key)
        point, other = next(self._points.beginnings(key), (0, None))
        return (point, other) if point > length else (length, entry)

    def _covered(self, entry: Entry) -> list[Entry]:
        """The entries that serve no prompt which this one does not serve as well."""
        points = range(SHORTEST, entry.length + 1) if entry.trimmable else entry.points
        return [
            other
            for index in (self._whole, self._points)
            for length, other in index.beginnings(entry.key)
            if length == other.length and length in points
        ]

    def _use(self, entry: Entry) -> None:
        entry.priority = self._clock + entry.worth
        del self._entries[entry]
        self._entries[entry] = None

    def _add(self, entry: Entry) -> None:
        entry.priority = self._clock + entry.worth
        self._entries[entry] = None
        self.nbytes += entry.nbytes
        for index, key in self._keys(entry):
            index.add(key, entry)

    def _shrink(self, limit: int, newest: Entry | None = None) -> None:
        """Drop entries until the cache has at most `limit` bytes. The newest one stays, which fits alone."""
        while self.nbytes > max(0, limit):
            others = (entry for entry in self._entries if entry is not newest)
            least = min(others, key=lambda entry: entry.priority)
            self._clock = max(self._clock, least.priority)
            self._drop(least)

    def _drop(self, entry: Entry) -> None:
        del self._entries[entry]
        self.nbytes -= entry.nbytes
        for index, key in self._keys(entry):
            index.remove(key, entry)

    def _keys(self, entry: Entry) -> list[tuple[PrefixIndex[Entry], bytes]]:
        """Where the entry is found."""
        if entry.trimmable:
            return [(self._whole, entry.key)]
        return [(self._points, entry.key[: length * WIDTH]) for length in entry.points]
