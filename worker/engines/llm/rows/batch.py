"""Rows in mlx-lm's BatchGenerator, which decodes them together and reads short prompts; see `reading.py` for others.

This module knows tokens. It does not know text. It belongs to the thread of its model.
"""

import math
import time
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.generate import BatchGenerator

from worker.engines.llm.prompt_cache import CachedPrompt, alias
from worker.engines.llm.rows.checkpoints import marked
from worker.engines.llm.rows.decoding import Decoding
from worker.engines.llm.rows.overtaking import end_step, move_first, overtake
from worker.engines.llm.rows.parked import Parked, Unbegun, lift, waits, withdraw
from worker.engines.llm.rows.reading import YIELD, Reading, Readings, TokenReading
from worker.engines.llm.rows.row import Advance, Row, Token

#: Tokens of a prompt that is short: such prompts are read together in one step, padded to the longest. A GPU takes
#: about as long for one of them as for several.
SHORT = 128
#: Tokens of all short prompts together that are read in one step.
SHORT_TOKENS = 2048
#: Steps for which a few new prompts may be held back while many others decode, and long ones while short are read.
HOLD_STEPS = 3
#: While nothing decodes, a prompt waits for others that arrive with it: for the next one at most this share of the
#: time that the prompts at hand take to read, and for all of them this share. Prompts that are read apart cost a
#: step of the batch each, and those that come later wait for them.
NEXT_SHARE, GATHER_SHARE = 0.02, 0.08
#: Longest such wait, in seconds.
GATHER_MOST = 0.05
#: Seconds after the last row that was no background for which steps of the background are short: none is begun ahead,
#: and prompts are read one by one. Another such row waits for less then, and the background loses a few percent.
ATTENTIVE = 30.0
#: Weight of the last step in the average speed of reading.
_NEWS = 0.3


class Batch:
    """At most `capacity` rows decode together; further ones wait."""

    def __init__(self, model: Any, capacity: int) -> None:
        self._model = model
        self._capacity = capacity
        self._rows: dict[int, Row] = {}
        #: short prompts that wait to be read, and their tokens
        self._unread: dict[int, int] = {}
        #: rows that stand still, by their uids, and the tokens of those that go on
        self._parked: dict[int, Parked | Unbegun] = {}
        self._resumed: list[Token] = []
        #: steps for which they have been held back
        self._held = 0
        #: since when the first of them waits, on the monotonic clock
        self._unread_since = 0.0
        #: tokens of short prompts read in a second, lately; 0 before the first
        self._speed = 0.0
        self._readings = Readings(self._begin)
        #: when the next short prompt of the background is read beside rows that are none, on the monotonic clock
        self._background_at = -math.inf
        #: when a row was here last that is no background
        self._urgent_at = -math.inf
        #: when the last step that decoded began, on the monotonic clock
        self._decoded = -math.inf
        #: what the last step has read of long prompts, and of short ones
        self.advances: list[Advance] = []
        self.short: list[Advance] = []
        self._generator = BatchGenerator(
            model,
            completion_batch_size=capacity,
            prefill_step_size=SHORT,
            # The owner thread's own stream: everything of this engine is in one order. The library's
            # default, one more stream, was slower at batch 1 on a busy CPU and equal on a quiet one.
            stream=mx.default_stream(mx.default_device()),
        )
        self._generator._generation_batch = Decoding.empty(model, self._generator.sampler)

    def __len__(self) -> int:
        return len(self._rows) + len(self._readings)

    @property
    def longest(self) -> int:
        """Tokens of the longest row that decodes, to which all are padded."""
        return max(map(len, self._generator._generation_batch.tokens), default=0)

    def insert(self, rows: list[Row], prompt: list[int], cached: int, cache: list[Any] | None) -> None:
        """Rows of one prompt, of which `cache` holds the first `cached` tokens. It is read once for all."""
        rest = prompt[cached:]
        if len(rest) == 1 or (len(rest) <= SHORT and len(rows) == 1):
            self._insert(rows, rest, prompt[:cached], cache)
        else:
            self.read(rows, TokenReading(self._model, prompt, cached, cache))

    def read(self, rows: list[Row], reading: Reading) -> None:
        """Rows of one prompt, which is read piece by piece."""
        self._readings.add(rows, marked(rows[0], reading))

    def be_careful(self, careful: bool) -> None:
        """Whether long prompts are read in small pieces."""
        self._readings.careful = careful

    def remove(self, row: Row) -> CachedPrompt | None:
        """Nothing more is computed for this row. Rows of one prompt are removed together.

        Returns the tokens that have been read for it and their cache, if reading has begun.
        """
        if (parked := self._parked.pop(row.uid, None)) is not None:
            return parked.kept(row) if isinstance(parked, Unbegun) else parked.kept
        self._resumed = [token for token in self._resumed if token.row is not row]
        if self._rows.pop(row.uid, None) is None:
            return self._readings.remove(row)
        # All but the last token of a prompt may be read before the row gets its place.
        begun = self._unread.pop(row.uid, 1) == 1
        removed = self._generator.remove([row.uid], return_prompt_caches=begun)
        if not begun:
            return None
        cache, tokens = removed[row.uid]
        return CachedPrompt(tokens, cache, row.checkpoints)

    def take(self, row: Row) -> CachedPrompt:
        """Remove a row that decodes; its tokens and cache."""
        del self._rows[row.uid]
        self._unread.pop(row.uid, None)
        cache, tokens = self._generator.remove([row.uid], return_prompt_caches=True)[row.uid]
        return CachedPrompt(tokens, cache, row.checkpoints)

    def pause(self, row: Row) -> None:
        """Let a row stand still that `can_pause`: it takes no place meanwhile."""
        del self._rows[row.uid]
        unread = self._unread.pop(row.uid, 0)
        self._parked[row.uid] = (
            withdraw(self._generator, row, unread) if unread else lift(self._generator, row)
        )

    def can_pause(self, row: Row) -> bool:
        """Whether the row decodes and has its place in the batch, or waits for one."""
        batch = self._generator._generation_batch
        if row.uid not in self._rows or batch is None:
            return False
        return waits(self._generator, row) if row.uid in self._unread else row.uid in batch.uids

    def is_paused(self, row: Row) -> bool:
        return row.uid in self._parked

    def resume(self, row: Row) -> None:
        """Let a paused row go on; others are not touched."""
        if (parked := self._parked.pop(row.uid, None)) is None:
            return
        if isinstance(parked, Unbegun):
            self._generator._unprocessed_sequences.append(parked.sequence)
            self._note_unread(row, parked.unread)
            return
        row.max_tokens -= parked.made + 1
        reason = "length" if row.max_tokens <= 0 else None
        if row.stops.matcher().advance(parked.token):
            reason = "stop"
        kept = None if reason is None else parked.kept
        self._resumed.append(Token(row, parked.token, parked.logprobs, reason, kept))
        if reason is None:
            self._insert([row], [parked.token], parked.kept.tokens, parked.kept.layers)

    def step(self) -> list[Token]:
        """Decode one token of each row and read short prompts, then pieces of long ones."""
        resumed, self._resumed = self._resumed, []
        self.short = []
        tokens = resumed + self._step()
        if not all(row.background for row in self._rows.values()):
            self._urgent_at = time.monotonic()
        elif self._attentive:
            end_step(self._generator)
        return tokens

    def _step(self) -> list[Token]:
        began = time.monotonic()
        if not self._rows:
            self.advances = self._readings.alone(began - self._decoded)
            return []
        self._decoded = began
        if not self._readings:
            self.advances = []
            return self._decode()
        decoding, unread = len(self._rows), len(self._unread)
        urgent = not all(row.background for row in self._rows.values())
        tokens = self._decode()
        self.advances = self._readings.beside(
            decoding, began, plain=len(self._unread) == unread, urgent=urgent
        )
        return tokens

    def gather_time(self) -> float:
        """Seconds for which the next step should wait for one more prompt; 0 when it should not."""
        if not self._speed or not self._unread or len(self) != len(self._unread):
            return 0.0
        if len(self._unread) >= self._capacity:
            return 0.0
        seconds = min(sum(self._unread.values()), SHORT_TOKENS) / self._speed
        left = min(GATHER_SHARE * seconds, GATHER_MOST) - (time.monotonic() - self._unread_since)
        return max(0.0, min(NEXT_SHARE * seconds, left))

    def close(self) -> None:
        self._rows.clear()
        self._readings.clear()
        self._parked.clear()
        self._resumed.clear()
        self._generator.close()
        del self._generator, self._model

    def _decode(self) -> list[Token]:
        if not self._unread:
            return [self._token(response) for response in self._generator.next()[1]]
        began = time.monotonic()
        if urgent := self._urgent():
            read, responses = overtake(self._generator, urgent)
        else:
            self._generator.prefill_batch_size = self._prompts_to_read()
            read, responses = self._generator.next()
        self.short = [
            Advance(self._rows[progress.uid], 0, read=self._unread.pop(progress.uid))
            for progress in read
            if progress.uid in self._unread
        ]
        if tokens := sum(advance.read for advance in self.short):
            seconds = time.monotonic() - began
            if all(advance.row.background for advance in self.short):
                self._background_at = began + (1 + YIELD) * seconds
            speed = tokens / max(seconds, 1e-6)
            self._speed += (_NEWS if self._speed else 1.0) * (speed - self._speed)
        return [self._token(response) for response in responses]

    def _token(self, response: Any) -> Token:
        row = self._rows[response.uid]
        kept = None
        if response.finish_reason is not None:
            del self._rows[response.uid]
            kept = CachedPrompt(response.all_tokens, response.prompt_cache, row.checkpoints)
        return Token(row, response.token, response.logprobs, response.finish_reason, kept)

    def _begin(self, rows: list[Row], prompt: list[int], cache: list[Any]) -> None:
        """All but the last token of a prompt is read: its rows join."""
        self._insert(rows, prompt[-1:], prompt[:-1], cache)

    def _insert(self, rows: Sequence[Row], rest: list[int], before: list[int], cache: Any) -> None:
        uids = self._generator.insert(
            [rest for _ in rows],
            max_tokens=[row.max_tokens for row in rows],
            caches=None if cache is None else [[alias(layer) for layer in cache] for _ in rows],
            all_tokens=[list(before) for _ in rows],
            samplers=[row.sampler for row in rows],
            logits_processors=[row.processors for row in rows],
            stop_sequences=[row.stops for row in rows],
        )
        for uid, row in zip(uids, rows, strict=True):
            row.uid = uid
            self._note_unread(row, len(rest))

    def _note_unread(self, row: Row, tokens: int) -> None:
        if not self._unread:
            self._unread_since = time.monotonic()
        self._rows[row.uid] = row
        self._unread[row.uid] = tokens

    def _urgent(self) -> set[int]:
        """The rows to read before all others are read or decode, which are of the background."""
        if self._decodes_urgent:
            return set()
        urgent = [uid for uid in self._unread if not self._rows[uid].background]
        if len(urgent) == len(self._rows):
            return set()
        room = self._capacity - len(self._rows) + len(self._unread)
        return set(urgent[: max(0, min(room, self._read_together))])

    def _prompts_to_read(self) -> int:
        """How many prompts may be read in this step.

        To read a few prompts costs a step of the whole batch nearly as much as to read many. While others decode,
        newcomers therefore gather for a moment: until they are a quarter of those, or for HOLD_STEPS steps. Beside
        rows that are no background, prompts of the background take a part of the time.
        """
        decoding = len(self._rows) - len(self._unread)
        urgent = [uid for uid in self._unread if not self._is_background(uid)]
        if len(urgent) < len(self._unread) and self._decodes_urgent:
            if urgent:
                move_first(self._generator, urgent)
                return min(len(urgent), self._read_together, self._capacity)
            return int(time.monotonic() >= self._background_at)
        if 4 * len(self._unread) < decoding and self._held < HOLD_STEPS:
            self._held += 1
            return 0
        self._held = 0
        if self._attentive and all(self._rows[uid].background for uid in self._unread):
            return 1
        return min(self._read_together, self._capacity)

    def _is_background(self, uid: int) -> bool:
        return uid in self._rows and self._rows[uid].background

    @property
    def _decodes_urgent(self) -> bool:
        """Whether a row decodes that is no background."""
        return any(not row.background for uid, row in self._rows.items() if uid not in self._unread)

    @property
    def _attentive(self) -> bool:
        """Whether a row that is no background may come soon: one was here lately."""
        return time.monotonic() - self._urgent_at < ATTENTIVE

    @property
    def _read_together(self) -> int:
        """How many of the short prompts that wait may be read in one step: they are padded to the longest."""
        return max(1, SHORT_TOKENS // max(self._unread.values()))
