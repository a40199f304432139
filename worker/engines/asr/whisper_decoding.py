"""Decodes half a minute with mlx-whisper, a few tokens at a time, so that other lanes get the device in between.

The library's own task does the work. Here are its loop, its sampling, and a corrected version of one of its rules.
"""

import time
from collections.abc import Generator
from typing import Any

import mlx.core as mx
from mlx_whisper.decoding import (
    ApplyTimestampRules,
    DecodingOptions,
    DecodingResult,
    DecodingTask,
    GreedyDecoder,
    compression_ratio,
)

#: Seconds of tokens between two steps.
STEP_SECONDS = 0.05


class WindowTask(DecodingTask):  # type: ignore[misc]
    """Decodes one window at one temperature: see DecodingTask.run, with one candidate and a given language."""

    def __init__(self, model: Any, options: DecodingOptions) -> None:
        super().__init__(model, options)
        filters: list[Any] = self.logit_filters  # type: ignore[has-type]
        self.decoder = _Sampling(options.temperature, self.tokenizer.eot)
        self.logit_filters = [
            _TimestampRules(each.tokenizer, each.sample_begin, each.max_initial_timestamp_index)
            if isinstance(each, ApplyTimestampRules)
            else each
            for each in filters
        ]

    def steps(self, features: mx.array) -> Generator[None, None, DecodingResult]:
        """Decode the encoder's output of a window, [1, n_audio_ctx, n_audio_state]."""
        self.inference.reset()
        self.decoder.reset()
        tokens = mx.array([self.initial_tokens])
        tokens, total, silence = yield from self._loop(features, tokens)
        tokens, total = self.decoder.finalize(tokens[None], total)
        mx.eval(tokens, total, silence)
        said = tokens[0, 0, self.sample_begin :].tolist()
        said = said[: said.index(self.tokenizer.eot)]
        text = self.tokenizer.decode(said).strip()
        return DecodingResult(
            audio_features=features[0],
            language=self.options.language,
            tokens=said,
            text=text,
            avg_logprob=total.item() / (len(said) + 1),
            no_speech_prob=silence.item(),
            temperature=self.options.temperature,
            compression_ratio=compression_ratio(text),
        )

    def _loop(
        self, features: mx.array, tokens: mx.array
    ) -> Generator[None, None, tuple[mx.array, mx.array, mx.array]]:
        """DecodingTask._main_loop: the next token is computed while the last one is checked."""
        total = mx.zeros(1)
        tokens, completed, total, first = self._next(tokens, features, tokens, total)
        if self.tokenizer.no_speech is None:
            silence = mx.full(1, mx.nan)
        else:
            silence = mx.softmax(first[:, self.sot_index], axis=-1)[:, self.tokenizer.no_speech]
        mx.async_eval(completed, tokens, total, silence)
        began = time.monotonic()
        for _ in range(1, self.sample_len):
            if tokens.shape[-1] > self.n_ctx:
                break
            ahead, ahead_completed, ahead_total, _ = self._next(tokens[:, -1:], features, tokens, total)
            mx.async_eval(ahead_completed, ahead, ahead_total)
            if completed:
                break
            tokens, completed, total = ahead, ahead_completed, ahead_total
            if time.monotonic() - began > STEP_SECONDS:
                mx.eval(tokens, completed, total)
                yield
                began = time.monotonic()
        return tokens, total, silence

    def _next(
        self, inputs: mx.array, features: mx.array, tokens: mx.array, total: mx.array
    ) -> tuple[mx.array, mx.array, mx.array, mx.array]:
        before = self.inference.logits(inputs, features)
        logits = before[:, -1]
        for each in self.logit_filters:
            logits = each.apply(logits, tokens)
        tokens, completed, total = self.decoder.update(tokens, logits, total)
        return tokens, completed, total, before


class _Sampling(GreedyDecoder):  # type: ignore[misc]
    """Sampling with random state: in the library the state is compiled in, so that all draws are equal."""

    def update(
        self, tokens: mx.array, logits: mx.array, sum_logprobs: mx.array
    ) -> tuple[mx.array, mx.array, mx.array]:
        warm = self.temperature > 0
        drawn = mx.random.categorical(logits / self.temperature) if warm else logits.argmax(axis=-1)
        ended = tokens[:, -1] == self.eot
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        sum_logprobs += logprobs[mx.arange(logprobs.shape[0]), drawn] * ~ended
        drawn = drawn * (1 - ended) + self.eot * ended
        return mx.concatenate([tokens, drawn[:, None]], axis=-1), mx.all(drawn == self.eot), sum_logprobs


class _TimestampRules(ApplyTimestampRules):  # type: ignore[misc]
    """After a pair of timestamps only text is allowed; the library allows nothing in that case."""

    def apply(self, logits: mx.array, tokens: mx.array) -> mx.array:
        begin = self.tokenizer.timestamp_begin
        last: Any = tokens[0, self.sample_begin :][-2:].tolist()
        if last and min(last) >= begin:
            logits = mx.where(mx.arange(logits.shape[-1]) >= begin, -mx.inf, logits)
        masked: mx.array = super().apply(logits, tokens)
        return masked
