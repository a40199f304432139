"""Log-probabilities of tokens, as entries that the API turns into OpenAI's shapes.

They belong to the distribution before temperature and top_p, and after penalties, biases and grammars: tokens that a
grammar forbids have the floor.
"""

from collections import deque
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import make_prompt_cache
from msgspec import UNSET, UnsetType, structs

from jobs.events import TokenLogprob
from worker.engines.llm.grammars.vocabulary import Vocabulary

#: JSON has no infinity; OpenAI's own floor.
FLOOR = -9999.0


class LogprobRecorder:
    """Records the logits of one sequence that the sampler gets: a logits processor of mlx-lm without effect.

    The log-probabilities of BatchGenerator have only the precision of the model, often eight bits.
    """

    def __init__(self, top: int, vocabulary: Vocabulary) -> None:
        """`top`: number of alternatives per token."""
        self._top = top
        self._vocabulary = vocabulary
        # The batch computes one token ahead.
        self._logits: deque[mx.array] = deque()

    def __call__(self, tokens: mx.array, logits: mx.array) -> mx.array:
        self._logits.append(logits)
        return logits

    def entry(self, token: int) -> TokenLogprob:
        """The entry of the next token."""
        return entry(token, _log_softmax(self._logits.popleft()[0]), self._top, self._vocabulary)


class TokenSpans:
    """Maps the content of one answer to its tokens, by the characters that they wrote."""

    def __init__(self) -> None:
        #: tokens that may be content: their entry, and the start and end of their characters
        self._written: deque[tuple[TokenLogprob, int, int]] = deque()
        #: tokens that have written no character yet: they are part of the next one
        self._unwritten: list[TokenLogprob] = []
        self._length = 0
        #: tokens of content, by the length of the content before them
        self._spelled: deque[tuple[int, TokenLogprob]] = deque()
        self._content = self._shown = 0

    def add(self, entry: TokenLogprob) -> None:
        """Add a token."""
        self._unwritten.append(entry)

    def reaches(self, length: int) -> None:
        """All tokens so far have written this many characters."""
        if length > self._length:
            self._written.extend((each, self._length, length) for each in self._unwritten)
            self._unwritten.clear()
            self._length = length

    def content(self, place: int, length: int) -> None:
        """These characters, from number `place` on, are content."""
        if place >= 0:
            written = self._written
            while written and written[0][2] <= place:
                written.popleft()
            while written and written[0][1] < place + length:
                each, start, _ = written.popleft()
                self._spelled.append((self._content + max(0, start - place), each))
        self._content += length

    def close(self, *, content: bool) -> None:
        """The answer has ended. `content`: tokens without a complete character are content."""
        if content:
            self._spelled.extend((self._content, each) for each in self._unwritten)
            self._content += bool(self._unwritten)
            self._shown += bool(self._unwritten)
            self._unwritten.clear()

    def shown(self, length: int) -> list[TokenLogprob]:
        """The tokens of the next `length` characters of content."""
        self._shown += length
        shown = []
        while self._spelled and self._spelled[0][0] < self._shown:
            shown.append(self._spelled.popleft()[1])
        return shown


def entry(token: int, logprobs: mx.array, top: int, vocabulary: Vocabulary) -> TokenLogprob:
    """`logprobs` [vocabulary], float32 → token, bytes, logprob and its `top` likeliest alternatives."""
    top = min(top, logprobs.size)
    best = mx.argpartition(-logprobs, kth=top - 1)[:top] if top else mx.array([], dtype=mx.uint32)
    values = mx.concatenate([logprobs[token : token + 1], logprobs[best]])
    mx.eval(best, values)
    own, *others = np.asarray(values).tolist()
    ranked = sorted(zip(np.asarray(best).tolist(), others, strict=True), key=lambda pair: -pair[1])
    alternatives = [_entry(each, value, vocabulary) for each, value in ranked]
    return _entry(token, own, vocabulary, alternatives)


def without(token: int, vocabulary: Vocabulary) -> TokenLogprob:
    """The entry of a prompt's first token, which has no prediction."""
    return structs.replace(_entry(token, 0.0, vocabulary, []), logprob=None)


def of_prompt(
    model: Any, tokens: list[int], top: int, vocabulary: Vocabulary, step: int
) -> list[TokenLogprob]:
    """The entries of a prompt's own tokens, read `step` at a time."""
    entries = [without(tokens[0], vocabulary)]
    cache = make_prompt_cache(model)
    for start in range(0, len(tokens) - 1, step):
        part = tokens[start : start + step]
        rows = _log_softmax(model(mx.array([part]), cache=cache)[0])
        following = tokens[start + 1 : start + 1 + len(part)]
        entries += [entry(token, row, top, vocabulary) for token, row in zip(following, rows, strict=False)]
    return entries


def _log_softmax(logits: mx.array) -> mx.array:
    logits = logits.astype(mx.float32)
    return logits - mx.logsumexp(logits, axis=-1, keepdims=True)


def _entry(
    token: int, logprob: float, vocabulary: Vocabulary, top: list[TokenLogprob] | UnsetType = UNSET
) -> TokenLogprob:
    raw = vocabulary.bytes_of(token)
    return TokenLogprob(raw.decode("utf-8", errors="replace"), list(raw), max(logprob, FLOOR), top)
