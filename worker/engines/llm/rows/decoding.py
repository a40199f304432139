"""The step of mlx-lm's GenerationBatch, without the log-probabilities that nobody uses.

Their exponentials take a twentieth of a step on a CPU. This module knows arrays and samplers. It does not know
requests, or how rows join and leave.
"""

from typing import Any

import mlx.core as mx
from mlx_lm.generate import GenerationBatch
from mlx_lm.sample_utils import greedy_sampler


class Decoding(GenerationBatch):
    """Rows that decode together."""

    _current_tokens: Any

    def _step(self) -> tuple[list[int], list[mx.array]]:
        """Begin the next step; the tokens of the one before, and their log-probabilities, which are not evaluated."""
        tokens, logprobs = self._next_tokens, self._next_logprobs
        logits = self.model(tokens[:, None], cache=self.prompt_cache)[:, -1, :]
        contexts: list[mx.array] = []
        if any(self.logits_processors or ()):
            logits = self._processed(logits, tokens, contexts)
        self._current_tokens, self._current_logprobs = tokens, logprobs
        self._next_tokens, self._next_logprobs = self._sampled(logits)
        mx.async_eval(self._next_tokens, contexts)
        mx.eval(tokens)
        made: Any = tokens.tolist()
        for all_tokens, token in zip(self.tokens, made, strict=True):
            all_tokens.append(token)
        return made, logprobs

    def _processed(self, logits: mx.array, tokens: mx.array, contexts: list[mx.array]) -> mx.array:
        """The logits after penalties, biases and grammars. Adds what these rows have said to `contexts`."""
        rows = []
        for row, processors in enumerate(self.logits_processors or ()):
            of_row = logits[row : row + 1]
            if processors:
                context = self._token_context[row].update_and_fetch(tokens[row : row + 1])
                contexts.append(context)
                for processor in processors:
                    of_row = processor(context, of_row)
            rows.append(of_row)
        return mx.concatenate(rows)

    def _sampled(self, logits: mx.array) -> tuple[mx.array, list[mx.array]]:
        """The next tokens, and their log-probabilities."""
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        samplers = self.samplers or ()
        if all(sampler is greedy_sampler for sampler in samplers):
            # The likeliest token has the largest logit.
            return greedy_sampler(logits), list(logprobs)
        rows = [sampler(logprobs[row : row + 1]) for row, sampler in enumerate(samplers)]
        return mx.concatenate(rows), list(logprobs)
