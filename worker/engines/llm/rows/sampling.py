"""From a request's sampling parameters to mlx-lm's sampler and logits processors.

Each request draws from its own PRNG key, so that its text depends on its seed, but not on the other rows of the
batch, and is the same when the job is run again.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import mlx.core as mx
from mlx_lm.sample_utils import apply_top_p, greedy_sampler, make_logits_processors

from jobs.errors import InvalidRequest
from jobs.payloads import TextPayload

#: Added per choice, so that the seeds of choices do not collide with consecutive seeds of requests (golden ratio).
_GOLDEN = 0x9E3779B97F4A7C15

Sampler = Callable[[mx.array], mx.array]
LogitsProcessor = Callable[[mx.array, mx.array], mx.array]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Parameters of sampling. Temperature 0 is greedy; the others restrict a random choice."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    seed: int = 0

    @staticmethod
    def read(payload: TextPayload, defaults: Mapping[str, Any], seed: int) -> "Sampling":
        """The request's values, else the model's (generation_config.json), else OpenAI's."""
        if defaults.get("do_sample") is False:
            defaults = {"temperature": 0.0}

        def value(name: str, fallback: float) -> float:
            found = getattr(payload, name)
            found = defaults.get(name) if found is None else found
            return fallback if found is None else float(found)

        return Sampling(
            temperature=value("temperature", 1.0),
            top_p=value("top_p", 1.0),
            top_k=int(value("top_k", 0)),
            min_p=value("min_p", 0.0),
            xtc_probability=value("xtc_probability", 0.0),
            xtc_threshold=value("xtc_threshold", 0.1),
            seed=seed if payload.seed is None else payload.seed,
        )

    def of_choice(self, index: int) -> "Sampling":
        """The same for another choice of the same request: each draws on its own. Choice 0 has the seed itself."""
        return self if index == 0 else replace(self, seed=self.seed + index * _GOLDEN)


def make_sampler(sampling: Sampling, vocabulary: int) -> Sampler:
    """A function from log-probabilities [rows, vocabulary] to tokens [rows].

    All greedy requests share one function, which lets BatchGenerator sample them in one call.
    """
    if sampling.temperature == 0:
        return greedy_sampler
    return _KeyedSampler(sampling, vocabulary)


class _KeyedSampler:
    def __init__(self, sampling: Sampling, vocabulary: int) -> None:
        # Any 64-bit integer is a valid seed for OpenAI's clients; MLX takes unsigned ones.
        self._key = mx.random.key(sampling.seed & 0xFFFF_FFFF_FFFF_FFFF)
        self._scale = 1.0 / sampling.temperature
        self._filters: list[Sampler] = []
        if 0 < sampling.top_p < 1:
            # As an array: for each number MLX would compile kernels, and keep them.
            top_p: Any = mx.array(sampling.top_p)
            self._filters.append(partial(apply_top_p, top_p=top_p))
        if sampling.min_p > 0:
            self._filters.append(partial(_min_p, sampling.min_p))
        if sampling.xtc_probability > 0:
            self._filters.append(partial(self._xtc, sampling.xtc_probability, sampling.xtc_threshold))
        if 0 < sampling.top_k < vocabulary:
            self._filters.append(partial(_top_k, sampling.top_k))

    def __call__(self, logprobs: mx.array) -> mx.array:
        for narrow in self._filters:
            logprobs = narrow(logprobs)
        return mx.random.categorical(logprobs * self._scale, key=self._draw())

    def _draw(self) -> mx.array:
        self._key, key = mx.random.split(self._key)
        return key

    def _xtc(self, probability: float, threshold: float, logprobs: mx.array) -> mx.array:
        """Exclude top choices: with `probability`, drop all but the least likely token above `threshold`."""
        probabilities = mx.softmax(logprobs, axis=-1)
        least = mx.where(probabilities > threshold, probabilities, mx.inf).min(axis=-1, keepdims=True)
        excluded = mx.where(probabilities > least, -mx.inf, logprobs)
        return mx.where(mx.random.uniform(key=self._draw()) < probability, excluded, logprobs)


def _min_p(share: float, logprobs: mx.array) -> mx.array:
    """mlx-lm's `apply_min_p`, which is compiled for each number."""
    least = logprobs.max(axis=-1, keepdims=True) + math.log(share)
    return mx.where(logprobs < least, -mx.inf, logprobs)


def _top_k(count: int, logprobs: mx.array) -> mx.array:
    """mlx-lm's `apply_top_k`, which is compiled for each number."""
    others = mx.argpartition(-logprobs, kth=count - 1, axis=-1)[..., count:]
    return mx.put_along_axis(logprobs, others, mx.array(-mx.inf, logprobs.dtype), axis=-1)


class Guard:
    """Catches errors of one request's sampler and processors, so that its batch does not fail: see `error`."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def sampler(self, sampler: Sampler) -> Sampler:
        """Greedy after a failure. The shared greedy function stays unchanged."""
        if sampler is greedy_sampler:
            return sampler

        def guarded(logprobs: mx.array) -> mx.array:
            if self.error is None:
                try:
                    return sampler(logprobs)
                except Exception as error:
                    self.error = error
            return mx.argmax(logprobs, axis=-1)

        return guarded

    def processor(self, processor: LogitsProcessor) -> LogitsProcessor:
        """Without effect after a failure."""

        def guarded(tokens: mx.array, logits: mx.array) -> mx.array:
            if self.error is None:
                try:
                    return processor(tokens, logits)
                except Exception as error:
                    self.error = error
            return logits

        return guarded


def make_processors(
    payload: TextPayload, defaults: Mapping[str, Any], vocabulary: int
) -> list[LogitsProcessor]:
    """The penalties and biases of a request. Raises InvalidRequest for a bias on an unknown token."""
    bias = {int(token): float(value) for token, value in (payload.logit_bias or {}).items()}
    if any(not 0 <= token < vocabulary for token in bias):
        raise InvalidRequest(
            f"logit_bias names a token that the model does not have: ids go from 0 to {vocabulary - 1}.",
            param="logit_bias",
        )
    penalty = payload.repetition_penalty
    if penalty is None and defaults.get("do_sample") is not False:
        penalty = defaults.get("repetition_penalty")
    processors: list[LogitsProcessor] = make_logits_processors(
        logit_bias=bias or None,
        repetition_penalty=None if penalty == 1 else penalty,
        repetition_context_size=payload.repetition_context_size or 20,
        presence_penalty=payload.presence_penalty or None,
        presence_context_size=payload.presence_context_size or 20,
        frequency_penalty=payload.frequency_penalty or None,
        frequency_context_size=payload.frequency_context_size or 20,
    )
    return processors
