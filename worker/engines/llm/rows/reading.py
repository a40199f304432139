"""Prompts that are read piece by piece, each into a cache of its own: whose turn it is, and how large a piece is.

A padded batch of long prompts would gain nothing: one of them already keeps the device busy. Alone it is read without
padding, can be set aside for a shorter one, and can leave without touching others. This module knows tokens and
seconds. It does not know text or requests. It belongs to the thread of its model.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache

from worker.device import device
from worker.engines.llm.prompt_cache import CachedPrompt
from worker.engines.llm.rows.allowance import Allowance
from worker.engines.llm.rows.row import Advance, Row
from worker.memory import is_out_of_memory

#: Tokens of the largest piece; the value of mlx-lm.
LARGEST = 2048
#: Tokens of the smallest piece. GPUs multiply matrices in tiles of 32 rows: fewer tokens take as long.
SMALLEST = 32 if device().gpu else 4
#: Tokens of a piece where one has to be careful: a sixteenth of the memory for what is computed with it.
CAREFUL = 128
#: Seconds of a piece while nothing decodes: a new request waits for its end.
ALONE = 0.5
#: The same when a row has just ended: its caller may ask again at once. Later pieces take as long as nothing decoded.
ALONE_AT_FIRST = 0.05
#: What is more urgent than the rows that decode is read for so many times longer, what is less urgent for shorter.
YIELD = 4
#: Every so many pieces the oldest prompt is read, else the one of which the least is unread.
OLDEST_TURN = 4
#: Weight of the last measurement in an average.
_NEWS = 0.4
#: Key-value caches of mlx-lm grow by so many tokens. The arrays that they outgrow are of no use to larger ones.
_GROWTH = 256


class Reading(Protocol):
    """A prompt on its way into a cache: `done` of its `tokens` are read. The last token is left to a runner."""

    @property
    def tokens(self) -> list[int]:
        """The whole prompt."""

    @property
    def done(self) -> int:
        """Tokens that the cache holds."""

    @property
    def cache(self) -> list[Any]:
        """The layers of the key-value cache."""

    def read(self, most: int) -> list[Any]:
        """Read up to `most` more tokens. Returns the arrays that have to be evaluated for it."""


class TokenReading:
    """A prompt of tokens, of which `layers` hold the first `done`."""

    def __init__(self, model: Any, tokens: list[int], done: int = 0, layers: list[Any] | None = None) -> None:
        self._model = model
        self.tokens = tokens
        self.done = done
        # Reading writes into the arrays of a cache, which may belong to the prompt cache.
        self.cache: list[Any] = make_prompt_cache(model) if layers is None else copy.deepcopy(layers)

    def read(self, most: int) -> list[Any]:
        stop = min(self.done + most, len(self.tokens) - 1)
        self._model(mx.array([self.tokens[self.done : stop]]), cache=self.cache)
        self.done = stop
        return [layer.state for layer in self.cache]


class Pieces:
    """The size of pieces that take a given time, by how long the last ones took."""

    def __init__(self) -> None:
        self._speed = 0.0

    @property
    def least(self) -> float:
        """Seconds of the smallest piece; 0 where that is not known yet."""
        return SMALLEST / self._speed if self._speed else 0.0

    def size(self, seconds: float) -> int:
        """Tokens to read. Attention makes later pieces of a prompt slower: they get smaller."""
        tokens = int(seconds * self._speed)
        return max(SMALLEST, min(LARGEST, tokens - tokens % SMALLEST))

    def fits(self, seconds: float) -> bool:
        """Whether there is time for one."""
        return seconds * self._speed >= SMALLEST

    def took(self, tokens: int, seconds: float) -> None:
        """A piece was read. One without tokens was no reading: images were encoded."""
        if not tokens:
            return
        speed = tokens / max(seconds, 1e-6)
        self._speed += (_NEWS if self._speed else 1.0) * (speed - self._speed)


@dataclass(slots=True, eq=False)
class _Entry:
    """A prompt in hand, and the rows that it is for. `cached` of its tokens were read before."""

    reading: Reading
    rows: list[Row]
    cached: int

    @property
    def background(self) -> bool:
        return all(row.background for row in self.rows)

    @property
    def unread(self) -> int:
        return len(self.reading.tokens) - 1 - self.reading.done


class Readings:
    """Reads prompts in turns, and passes them on with all but their last token read."""

    def __init__(self, ready: Callable[[list[Row], list[int], list[Any]], None]) -> None:
        """`ready` gets the rows of a prompt that is read, its tokens, and the cache of all but the last."""
        #: pieces are small
        self.careful = False
        self._ready = ready
        self._entries: list[_Entry] = []
        self._pieces = Pieces()
        self._turn = 0
        self._allowance = Allowance()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, rows: list[Row], reading: Reading) -> None:
        if not self._entries:
            self._allowance.clear()
        self._entries.append(_Entry(reading, rows, reading.done))

    def remove(self, row: Row) -> CachedPrompt | None:
        """Drop the prompt of this row, if there is one; what of it was read here."""
        entry = next((entry for entry in self._entries if row in entry.rows), None)
        if entry is None:
            return None
        self._entries.remove(entry)
        reading = entry.reading
        if reading.done == entry.cached:
            return None
        return CachedPrompt(reading.tokens[: reading.done], reading.cache, row.checkpoints)

    def alone(self, seconds: float) -> list[Advance]:
        """Read while nothing decodes, which it has not done for so many seconds."""
        self._allowance.clear()
        return self._read(min(ALONE, ALONE_AT_FIRST + seconds))[0]

    def beside(self, decoding: int, began: float, *, plain: bool, urgent: bool) -> list[Advance]:
        """Read for as long as the rows that decode, `decoding` in number, can wait.

        Their step began at `began`; a plain one has read no prompts of theirs. `urgent`: some are no background.
        """
        # One prompt may nearly double the pauses of the others. Where many wait, and each for those before it, small
        # pieces would keep most places of the batch empty. Prompts of the background wait for others in any case.
        prompts = sum(not entry.background for entry in self._entries)
        background = not prompts
        weight = max(1.0, (prompts or len(self._entries)) ** 2 / decoding)
        if urgent and background:
            weight = 1 / YIELD
        elif not urgent and not background:
            weight *= YIELD
        left = self._allowance.claim(began, plain=plain, weight=weight, least=self._pieces.least)
        if left is None:
            return []
        advances, seconds = self._read(left)
        self._allowance.spend(seconds)
        return advances

    def clear(self) -> None:
        self._entries.clear()

    def _read(self, left: float) -> tuple[list[Advance], float]:
        """Read one piece, and more while there is time `left`. Also returns the seconds that were computed."""
        advances: list[Advance] = []
        tokens, spent = 0, 0.0
        while self._entries and (not advances or (tokens < LARGEST and self._pieces.fits(left - spent))):
            entry = self._next()
            before = entry.reading.done
            try:
                size = self._pieces.size(left - spent)
                arrays = entry.reading.read(min(size, CAREFUL) if self.careful else size)
                # The step of the rows that decode is computed first: what comes after is the time of the piece.
                mx.synchronize()
                start = time.monotonic()
                mx.eval(arrays)
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                self._entries.remove(entry)
                advances.append(Advance(entry.rows[0], entry.unread, error))
                continue
            seconds = time.monotonic() - start
            read = entry.reading.done - before
            self._pieces.took(read, seconds)
            tokens += read
            spent += seconds
            if not entry.unread or before // _GROWTH != entry.reading.done // _GROWTH:
                mx.clear_cache()
            advances.append(Advance(entry.rows[0], entry.unread, read=read))
            if not entry.unread:
                self._entries.remove(entry)
                self._ready(entry.rows, entry.reading.tokens, entry.reading.cache)
        return advances, spent

    def _next(self) -> _Entry:
        self._turn += 1
        urgent = [entry for entry in self._entries if not entry.background]
        if self._turn % OLDEST_TURN == 0:
            return (urgent or self._entries)[0]
        return min(urgent or self._entries, key=lambda entry: entry.unread)
