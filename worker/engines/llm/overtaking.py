"""Short prompts that are read before a batch decodes again, in mlx-lm's BatchGenerator.

The generator decodes a step of its batch before it reads, and another one before what it has read joins. Somebody who
waits for a first token waits for both. This module knows rows by their uids. It does not know whose they are.
"""

from collections import deque
from collections.abc import Collection
from typing import Any

import mlx.core as mx
from mlx_lm.generate import GenerationBatch


def read_at_once(generator: Any, uids: Collection[int]) -> list[Any]:
    """Read these prompts, which are short, and have their rows join the batch, which stands still meanwhile.

    Of what is read already, all joins that can. Returns what was read, as the generator's `next` does.
    """
    waiting = generator._unprocessed_sequences
    generator._unprocessed_sequences = deque(sorted(waiting, key=lambda sequence: sequence[0] not in uids))
    generator.prefill_batch_size = len(generator._prompt_batch) + len(uids)
    read = _read(generator)
    generator.prefill_batch_size = 0
    return read + _read(generator)


def begin(generator: Any) -> None:
    """Compute the next tokens apart from the step that needs them: else they are not seen before it is done."""
    batch = generator._generation_batch
    mx.async_eval(batch._next_tokens, batch._next_logprobs)


def end_step(generator: Any) -> None:
    """Wait for the step that the generator has begun ahead."""
    if len(batch := generator._generation_batch):
        mx.eval(batch._next_tokens)


def _read(generator: Any) -> list[Any]:
    """A step of the generator that does not decode."""
    decoding = generator._generation_batch
    generator._generation_batch = GenerationBatch.empty(generator.model, generator.sampler)
    try:
        read: list[Any] = generator.next()[0]
    finally:
        joining, generator._generation_batch = generator._generation_batch, decoding
        if len(joining):
            decoding.extend(joining)
            begin(generator)
    return read
