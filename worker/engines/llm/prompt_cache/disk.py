"""The prompt cache on the disk: prompts survive restarts, and models that were unloaded.

A prompt is stored in blocks that all prompts with the same beginning share, and in states of the layers that can't be
cut into blocks. It is found by digests of its beginnings, without a file being read. This module knows what is worth
storing and loading. It belongs to the thread of its model, except where a method says otherwise.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import Any, NamedTuple

from worker.engines.llm.prompt_cache.disk_files import PieceFiles
from worker.engines.llm.prompt_cache.disk_format import Stored
from worker.engines.llm.prompt_cache.disk_layers import Format, snapshot
from worker.engines.llm.prompt_cache.disk_loading import Loading, Part
from worker.engines.llm.prompt_cache.disk_pieces import BLOCK, Key, Kind, digests
from worker.engines.llm.prompt_cache.disk_writer import Work, Writer
from worker.engines.llm.prompt_cache.entry import CachedPrompt
from worker.engines.llm.prompt_cache.layers import Layers, leaves

log = logging.getLogger(__name__)

#: Tokens of the shortest prompt that is stored. Shorter ones are read in about the time that a load takes.
SHORTEST_STORED = 1024
#: Tokens that a load must save.
LEAST_GAIN = 256
#: Bytes of a state for each token that it saves. A load of so many is faster than any model reads a token.
BYTES_FOR_A_TOKEN = 256 << 10
#: Threads that read files.
_READERS = 2


class Put(NamedTuple):
    """`length`: tokens whose blocks are stored or wait to be written. `state`: the last state of the prompt."""

    length: int
    state: Key | None


class DiskCache:
    """The stored prompts of one model."""

    def __init__(self, files: PieceFiles, model: str, make_layers: Callable[[], Layers]) -> None:
        """`model` identifies the model. `make_layers` makes empty layers, which `disk_layers.can_store`."""
        self._files = files
        self._model = model
        self._format = Format(make_layers)
        self._writer = Writer(files)
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="prompt-cache-reader")

    def find(self, tokens: list[int], beyond: int) -> Loading | None:
        """Begin to load the longest stored beginning of `tokens`, if it is enough longer than `beyond`."""
        if len(tokens) < beyond + LEAST_GAIN or len(tokens) < SHORTEST_STORED:
            return None
        parts = self._state_parts(tokens) if self._format.has_state else self._block_parts(tokens)
        if not parts or parts[-1].key.length < beyond + LEAST_GAIN:
            return None
        self._writer.note_use([part.key for part in parts])
        return Loading(parts, self._files, self._format, self._pool)

    def stored_length(self, tokens: list[int]) -> int:
        """The tokens of the leading blocks that are stored; all full blocks of layers that have none."""
        blocks = self._blocks(tokens)
        return BLOCK * (len(self._block_parts(tokens)) if self._format.has_blocks else len(blocks))

    def put(self, prompt: CachedPrompt) -> None:
        """Have a prompt written. Nothing may write into its arrays."""
        self._try(lambda: self._put(prompt, 0, None), Put(0, None))

    def put_part(self, prompt: CachedPrompt, begin: int, replaces: Key | None = None) -> Put:
        """Have a copy of a prompt written that is still being read, from `begin` on, which is the start of a block.

        Nothing happens while there is little new. `replaces`: a state that is not needed when that of this prompt is
        written.
        """

        def put() -> Put:
            fits = self._format.fits(prompt.layers)
            states = self._format.state_bytes(leaves(prompt.layers)) if fits else 0
            if not fits or len(prompt.tokens) - begin < states // BYTES_FOR_A_TOKEN:
                return Put(begin, replaces)
            part = CachedPrompt(prompt.tokens, snapshot(prompt.layers, begin), prompt.checkpoints)
            return self._put(part, begin, replaces)

        return self._try(put, Put(len(prompt.tokens), replaces))

    def _try(self, put: Callable[[], Put], otherwise: Put) -> Put:
        """The cache only saves time: no request fails because of it."""
        try:
            return put()
        except Exception:
            log.exception("a prompt could not be stored")
            return otherwise

    def _put(self, prompt: CachedPrompt, begin: int, replaces: Key | None) -> Put:
        """The prompt's layers hold its tokens from `begin` on."""
        tokens, layers = prompt.tokens, prompt.layers
        if len(tokens) < SHORTEST_STORED or not self._format.fits(layers):
            return Put(begin, replaces)
        by_token = self._format.by_token(layers)
        blocks = self._blocks(tokens)
        if not begin:
            self._writer.note_use(blocks)
        if self._format.has_blocks:
            for key in blocks[begin // BLOCK :]:
                if not self._files.has(key) and not self._add_block(key, by_token, begin):
                    return Put(key.length - BLOCK, replaces)
            # Once more, as those that are written now are the newest at their end.
            self._writer.note_use(blocks[begin // BLOCK :])
        if self._format.has_state:
            points = {**prompt.checkpoints, len(tokens): leaves(layers)}
            points = {point: points[point] for point in sorted(points)}
            for key in self._add_states(tokens, points, by_token, begin, replaces):
                replaces = key if key.length == len(tokens) else replaces
        return Put(BLOCK * len(blocks), replaces)

    def drop_waiting(self) -> None:
        """Forget what is not written yet: memory is needed. Any thread may call it."""
        self._writer.drop()

    def wait(self, seconds: float) -> bool:
        """Wait until everything is written. False if that takes longer."""
        return self._writer.wait(seconds)

    def close(self, seconds: float) -> None:
        """Write what waits, for so long at most."""
        self._writer.close(seconds)
        self._pool.shutdown(cancel_futures=True)

    def _add_block(self, key: Key, by_token: Mapping[str, Stored], begin: int) -> bool:
        start = key.length - BLOCK - begin
        return self._writer.add(Work(key, self._format.block(key, by_token, start, start + BLOCK)))

    def _add_states(
        self,
        tokens: list[int],
        points: Mapping[int, Sequence[Any]],
        by_token: Mapping[str, Stored],
        begin: int,
        replaces: Key | None,
    ) -> Iterator[Key]:
        """Add the states, by ascending lengths, that are worth it."""
        stored = sorted(self._states(tokens))
        for key in self._keys(Kind.STATE, tokens, points):
            states, length = points[key.length], key.length
            tail = length // BLOCK * BLOCK - begin
            if (
                length in stored
                or length < SHORTEST_STORED
                or tail < 0
                or not self._format.has_states(states)
            ):
                continue
            nbytes = self._format.state_bytes(states)
            saved = length - max((each for each in stored if each < length), default=0)
            if nbytes > BYTES_FOR_A_TOKEN * saved:
                continue
            piece = self._format.state(key, states, by_token, tail, length - begin)
            if self._writer.add(Work(key, piece, replaces)):
                stored.append(length)
                yield key

    def _block_parts(self, tokens: list[int]) -> list[Part]:
        """The stored blocks of the prompt, up to the first that is missing."""
        return [Part(key, BLOCK) for key in takewhile(self._files.has, self._blocks(tokens))]

    def _state_parts(self, tokens: list[int]) -> list[Part]:
        """The longest beginning whose state is stored, and all of its blocks."""
        blocks = self._block_parts(tokens) if self._format.has_blocks else []
        for length, key in sorted(self._states(tokens).items(), reverse=True):
            count, rest = divmod(length, BLOCK)
            if not self._format.has_blocks:
                return [Part(key, 0)]
            if count <= len(blocks):
                return [*blocks[:count], Part(key, rest)]
        return []

    def _states(self, tokens: list[int]) -> dict[int, Key]:
        """The stored states of the prompt's beginnings, by their lengths."""
        keys = self._keys(Kind.STATE, tokens, self._files.state_lengths())
        return {key.length: key for key in keys if self._files.has(key)}

    def _blocks(self, tokens: list[int]) -> list[Key]:
        """The keys of all full blocks."""
        return self._keys(Kind.BLOCK, tokens, range(BLOCK, len(tokens) + 1, BLOCK))

    def _keys(self, kind: Kind, tokens: list[int], lengths: Iterable[int]) -> list[Key]:
        return [Key(kind, length, digest) for length, digest in digests(self._model, tokens, lengths)]
