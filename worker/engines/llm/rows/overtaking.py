"""Short prompts that are read before a batch decodes again, in mlx-lm's BatchGenerator.

The generator decodes a step of its batch before it reads, another one before what it has read joins, and begins a
third before it hands out the first token. This module knows rows by their uids. It does not know whose they are.
"""

from collections import deque
from collections.abc import Collection
from typing import Any

import mlx.core as mx
from mlx_lm.generate import GenerationBatch

#: Steps of the generator from a short prompt that waits to its first token.
_STEPS = 3


def move_first(generator: Any, uids: Collection[int]) -> None:
    """Have these prompts, which wait, read before others."""
    waiting = generator._unprocessed_sequences
    generator._unprocessed_sequences = deque(sorted(waiting, key=lambda sequence: sequence[0] not in uids))


def overtake(generator: Any, uids: Collection[int]) -> tuple[list[Any], list[Any]]:
    """Read these prompts, which are short, while the batch stands still, and have their rows join it.

    Returns what was read, and the first tokens, as the generator's `next` does.
    """
    move_first(generator, uids)
    generator.prefill_batch_size = len(generator._prompt_batch) + len(uids)
    standing = generator._generation_batch
    generator._generation_batch = GenerationBatch.empty(generator.model, generator.sampler)
    read: list[Any] = []
    tokens: list[Any] = []
    try:
        for _ in range(_STEPS):
            more, decoded = generator.next()
            generator.prefill_batch_size = 0
            read += more
            tokens += decoded
    finally:
        joining, generator._generation_batch = generator._generation_batch, standing
        if len(joining):
            standing.extend(joining)
    return read, tokens


def end_step(generator: Any) -> None:
    """Wait for the step that the generator has begun ahead."""
    if len(batch := generator._generation_batch):
        mx.eval(batch._next_tokens)
