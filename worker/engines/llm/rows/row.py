"""Rows of a runner, and what its steps return: tokens of answers, and how far prompts are read.

This module knows tokens. It does not know models, text or requests.
"""

from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
from mlx_lm.generate import StopSequences

from worker.engines.llm.prompt_cache import CachedPrompt, Checkpoints
from worker.engines.llm.rows.sampling import LogitsProcessor, Sampler
from worker.engines.llm.rows.saving import Saving


@dataclass(slots=True, eq=False)
class Row:
    """One sequence: how its tokens are sampled, and how many there may be. `owner`: the object it belongs to.

    `boundaries` are those of its prompt. `checkpoints`: the states that have been kept of what it has read; rows of
    one prompt share them.
    """

    owner: Any
    sampler: Sampler
    processors: list[LogitsProcessor]
    stops: StopSequences
    max_tokens: int
    boundaries: tuple[int, ...] = ()
    checkpoints: Checkpoints = field(default_factory=dict)
    #: it is less urgent than others
    background: bool = False
    #: writes what is read of its prompt to the disk
    saving: Saving | None = None
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


@dataclass(frozen=True, slots=True)
class Advance:
    """A piece of `read` tokens of a row's prompt was read: `unread` are left. `error`: it can't be read."""

    row: Row
    unread: int
    error: Exception | None = None
    read: int = 0
