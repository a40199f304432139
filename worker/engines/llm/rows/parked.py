"""Rows that stand still outside of their batch, with all that they need to go on as if they had never left it.

A row that has not begun takes along its place in the queue. For others: a batch samples the next token of each row
before it hands out the present one. A row is parked with that token: it is handed out when the row goes on, so
that neither its sampler nor its grammar sees anything twice.
"""

from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from worker.engines.llm.prompt_cache import CachedPrompt
from worker.engines.llm.rows.row import Row


@dataclass(frozen=True, slots=True)
class Parked:
    """`kept`: the row's tokens and their cache. `token`: the next one, with its `logprobs`. `made`: those so far."""

    kept: CachedPrompt
    token: int
    logprobs: mx.array
    made: int


@dataclass(frozen=True, slots=True)
class Unbegun:
    """What a generator's queue had of a row, and the tokens that are left to read of its prompt."""

    sequence: Any
    unread: int

    def kept(self, row: Row) -> CachedPrompt | None:
        """What has been read for it, if anything was read here: all but the last token."""
        cache, tokens = self.sequence[3:5]
        return CachedPrompt(tokens, cache, row.checkpoints) if self.unread == 1 else None


def waits(generator: Any, row: Row) -> bool:
    """Whether mlx-lm's BatchGenerator has not begun the row."""
    return any(sequence[0] == row.uid for sequence in generator._unprocessed_sequences)


def withdraw(generator: Any, row: Row, unread: int) -> Unbegun:
    """Take a row that `waits` out of the queue."""
    queue = generator._unprocessed_sequences
    sequence = next(sequence for sequence in queue if sequence[0] == row.uid)
    queue.remove(sequence)
    return Unbegun(sequence, unread)


def lift(generator: Any, row: Row) -> Parked:
    """Take a row that decodes out of mlx-lm's BatchGenerator."""
    batch = generator._generation_batch
    place = batch.uids.index(row.uid)
    token = int(batch._next_tokens[place].item())
    logprobs, made = batch._next_logprobs[place], batch._num_tokens[place]
    cache, tokens = generator.remove([row.uid], return_prompt_caches=True)[row.uid]
    return Parked(CachedPrompt(tokens, cache, row.checkpoints), token, logprobs, made)
