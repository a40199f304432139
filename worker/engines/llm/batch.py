"""Rows in mlx-lm's BatchGenerator: which prompts are read in a step, and prompts that several rows share.

This module knows tokens. It does not know text. It belongs to the thread of its model.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.generate import BatchGenerator, StopSequences

from worker.engines.llm.prompt_cache import CachedPrompt, alias
from worker.engines.llm.sampling import LogitsProcessor, Sampler

#: Tokens of one prompt read in one step: other rows decode, and cancellations are seen, between two steps.
PREFILL_STEP = 512
#: Tokens of all prompts together read in one step: many short prompts, or parts of a few long ones. An eighth of
#: what mlx-lm reads at once. Smaller steps bring the first answers earlier and cost tokens per second.
PREFILL_TOKENS = 2048
#: Steps for which a few new prompts may be held back while many others decode.
HOLD_STEPS = 3
#: While nothing decodes, a prompt waits for others that arrive with it: for the next one at most this share of the
#: time that the prompts at hand take to read, and for all of them this share. Prompts that are read apart cost a
#: step of the batch each, and those that come later wait for them.
NEXT_SHARE, GATHER_SHARE = 0.02, 0.08
#: Longest such wait, in seconds.
GATHER_MOST = 0.05
#: Weight of the last step in the average speed of reading.
_NEWS = 0.3


@dataclass(slots=True, eq=False)
class Row:
    """One sequence: how its tokens are sampled, and how many there may be. `owner`: the object it belongs to."""

    owner: Any
    sampler: Sampler
    processors: list[LogitsProcessor]
    stops: StopSequences
    max_tokens: int
    uid: int = -1


@dataclass(frozen=True, slots=True)
class Token:
    """A new token of a row. `reason` is set on the last one: stop (an end token) or length.

    `kept` is then the row's tokens and their key-value cache. `drafted`: a draft model proposed the token.
    """

    row: Row
    token: int
    logprobs: mx.array
    reason: str | None = None
    kept: CachedPrompt | None = None
    drafted: bool = False


@dataclass(slots=True)
class _Shared:
    """Rows that start at the end of another row's prompt."""

    rows: list[Row]
    last: int


class Batch:
    """At most `capacity` rows decode together; further ones wait."""

    def __init__(self, model: Any, capacity: int) -> None:
        self._capacity = capacity
        self._rows: dict[int, Row] = {}
        #: prompts that wait to be read, and their tokens
        self._unread: dict[int, int] = {}
        self._shared: dict[int, _Shared] = {}
        #: steps for which they have been held back
        self._held = 0
        #: since when the first of them waits, on the monotonic clock
        self._unread_since = 0.0
        #: tokens of prompts read in a second, lately; 0 before the first
        self._speed = 0.0
        self._generator = BatchGenerator(
            model,
            completion_batch_size=capacity,
            prefill_step_size=PREFILL_STEP,
            # The owner thread's own stream: everything of this engine is in one order. The library's
            # default, one more stream, was slower at batch 1 on a busy CPU and equal on a quiet one.
            stream=mx.default_stream(mx.default_device()),
        )

    def __len__(self) -> int:
        return len(self._rows)

    def insert(self, rows: list[Row], prompt: list[int], cached: int, cache: list[Any] | None) -> None:
        """Rows of one prompt, of which `cache` holds the first `cached` tokens. It is read once for all."""
        rest = prompt[cached:]
        if len(rest) == 1:
            self._insert(rows, rest, prompt[:cached], cache)
            return
        self._insert(rows[:1], rest, prompt[:cached], cache)
        if len(rows) > 1:
            self._shared[rows[0].uid] = _Shared(rows[1:], prompt[-1])

    def remove(self, row: Row) -> CachedPrompt | None:
        """Nothing more is computed for this row. Rows of one prompt are removed together.

        Returns the tokens that have been read for it and their cache, if reading has begun.
        """
        if self._rows.pop(row.uid, None) is None:
            return None
        self._shared.pop(row.uid, None)
        begun = self._unread.pop(row.uid, None) is None
        removed = self._generator.remove([row.uid], return_prompt_caches=begun)
        if not begun:
            return None
        cache, tokens = removed[row.uid]
        return CachedPrompt(tokens, cache)

    def take(self, row: Row) -> CachedPrompt:
        """Remove a row that decodes; its tokens and cache."""
        del self._rows[row.uid]
        cache, tokens = self._generator.remove([row.uid], return_prompt_caches=True)[row.uid]
        return CachedPrompt(tokens, cache)

    def step(self) -> list[Token]:
        """Decode one token of each row, then read more of the prompts."""
        if not self._unread and not self._shared:
            return [self._token(response) for response in self._generator.next()[1]]
        if self._unread:
            self._generator.prefill_batch_size = self._prompts_to_read()
        began = time.monotonic()
        read, responses = self._generator.next()
        if tokens := sum(min(self._unread.get(progress.uid, 0), PREFILL_STEP) for progress in read):
            speed = tokens / max(time.monotonic() - began, 1e-6)
            self._speed += (_NEWS if self._speed else 1.0) * (speed - self._speed)
        for progress in read:
            self._unread.pop(progress.uid, None)
            if progress.end_of_segment and not progress.end_of_prompt:
                self._start_shared(progress.uid)
        return [self._token(response) for response in responses]

    def gather_time(self) -> float:
        """Seconds for which the next step should wait for one more prompt; 0 when it should not."""
        if not self._speed or not self._unread or len(self._rows) != len(self._unread):
            return 0.0
        if len(self._unread) >= self._capacity:
            return 0.0
        seconds = min(sum(self._unread.values()), PREFILL_TOKENS) / self._speed
        left = min(GATHER_SHARE * seconds, GATHER_MOST) - (time.monotonic() - self._unread_since)
        return max(0.0, min(NEXT_SHARE * seconds, left))

    def close(self) -> None:
        self._rows.clear()
        self._shared.clear()
        self._generator.close()
        del self._generator

    def _token(self, response: Any) -> Token:
        row = self._rows[response.uid]
        kept = None
        if response.finish_reason is not None:
            del self._rows[response.uid]
            kept = CachedPrompt(response.all_tokens, response.prompt_cache)
        return Token(row, response.token, response.logprobs, response.finish_reason, kept)

    def _start_shared(self, uid: int) -> None:
        """All but the last token of a prompt is read: start the rows that share it."""
        shared = self._shared.pop(uid, None)
        if shared is not None and shared.rows:
            cache, tokens = self._generator.extract_cache([uid])[uid]
            self._insert(shared.rows, [shared.last], tokens, cache)

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
        if not self._unread:
            self._unread_since = time.monotonic()
        for uid, row in zip(uids, rows, strict=True):
            row.uid = uid
            self._rows[uid] = row
            self._unread[uid] = len(rest)

    def _prompts_to_read(self) -> int:
        """How many prompts may be read in this step.

        To read a few prompts costs a step of the whole batch nearly as much as to read many. While others decode,
        newcomers therefore gather for a moment: until they are a quarter of those, or for HOLD_STEPS steps.
        """
        decoding = len(self._rows) - len(self._unread)
        if 4 * len(self._unread) < decoding and self._held < HOLD_STEPS:
            self._held += 1
            return 0
        self._held = 0
        # They are padded to the longest, of which each step reads at most PREFILL_STEP.
        longest = min(max(self._unread.values()), PREFILL_STEP)
        return max(1, min(PREFILL_TOKENS // longest, self._capacity))
