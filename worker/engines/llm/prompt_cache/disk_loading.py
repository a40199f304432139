"""Reads a cached prompt from its files: other threads read and check them, the model's thread copies in steps.

This module knows pieces in their order. It does not know how they were found.
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass

from worker.engines.llm.prompt_cache.disk_files import PieceFiles
from worker.engines.llm.prompt_cache.disk_format import Content, Unreadable, parse
from worker.engines.llm.prompt_cache.disk_layers import Format
from worker.engines.llm.prompt_cache.disk_pieces import Key, Kind
from worker.engines.llm.prompt_cache.entry import Beginning
from worker.engines.llm.prompt_cache.layers import state_of

#: Files that are read ahead.
_AHEAD = 4
#: Bytes that one step copies: others decode between two steps. It takes about 20 ms.
_STEP_BYTES = 64 << 20
#: Seconds that a step waits for a file.
_PATIENCE = 0.005


@dataclass(frozen=True, slots=True)
class Part:
    """A file, and how many tokens' keys and values it adds."""

    key: Key
    tokens: int


class Loading:
    """Call `step` until it returns True; `beginning` is then what could be loaded, if anything.

    It belongs to the thread of its model.
    """

    def __init__(self, parts: Sequence[Part], files: PieceFiles, format: Format, pool: Executor) -> None:
        """`parts` in the order of the prompt; a state is the last one."""
        self.beginning: Beginning | None = None
        self._length = 0
        self._files, self._format, self._pool = files, format, pool
        self._parts = deque(parts)
        self._reads: deque[tuple[Part, Future[Content | None]]] = deque()
        self._assembly = format.assembly(parts[-1].key.length)
        self._read_ahead()

    def step(self) -> bool:
        copied = 0
        while self._reads:
            part, reading = self._reads[0]
            try:
                content = reading.result(0 if copied else _PATIENCE)
            except NotYet:
                return False
            self._reads.popleft()
            if content is None or not self._take(part, content):
                self._end()
                return True
            self._read_ahead()
            copied += content.nbytes
            if copied > _STEP_BYTES and self._reads:
                return False
        self._end()
        return True

    def cancel(self) -> None:
        """Read nothing more."""
        self._parts.clear()
        for _, reading in self._reads:
            reading.cancel()
        self._reads.clear()

    def _take(self, part: Part, content: Content) -> bool:
        try:
            if part.tokens:
                self._assembly.add_tokens(content, part.tokens)
            if part.key.kind is Kind.STATE:
                self._assembly.set_state(content)
        except Unreadable as error:
            self._files.reject(part.key, str(error))
            return False
        self._length = part.key.length
        return True

    def _end(self) -> None:
        """Use what was read; layers with a state are of no use before its point."""
        complete = not self._parts and not self._reads
        self.cancel()
        if self._length and (complete or not self._format.has_state):
            layers = self._assembly.layers(self._length)
            checkpoints = {self._length: state_of(layers)} if self._format.has_state else {}
            self.beginning = Beginning(self._length, layers, checkpoints)
        del self._assembly

    def _read_ahead(self) -> None:
        while self._parts and len(self._reads) < _AHEAD:
            part = self._parts.popleft()
            self._reads.append((part, self._pool.submit(self._read, part.key)))

    def _read(self, key: Key) -> Content | None:
        data = self._files.read(key)
        if data is None:
            return None
        try:
            content = parse(data)
            self._format.check(key, content)
        except Unreadable as error:
            self._files.reject(key, str(error))
            return None
        return content
