"""One row at a time, token by token: for models whose caches can't be batched, and for draft models.

It has the interface of Batch. It knows tokens, not text, and belongs to the thread of its models.
"""

import copy
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.generate import generate_step, speculative_generate_step
from mlx_lm.models.cache import can_trim_prompt_cache, make_prompt_cache

from worker.engines.llm.batch import PREFILL_STEP, Row, Token
from worker.engines.llm.prompt_cache import CachedPrompt

#: Tokens that a draft model proposes at once; the value of mlx-lm's server.
DRAFT_TOKENS = 3


class Solo:
    """Rows run one after another, in their order. `draft` proposes tokens that the model checks."""

    def __init__(self, model: Any, draft: Any | None = None) -> None:
        self._model = model
        self._draft = draft
        self._rows: deque[_Run] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def insert(self, rows: list[Row], prompt: list[int], cached: int, cache: list[Any] | None) -> None:
        """As Batch.insert; each row reads its prompt itself."""
        for row in rows:
            # Generation writes into the arrays of the cache, which belong to the prompt cache.
            layers = make_prompt_cache(self._model) if cache is None else copy.deepcopy(cache)
            self._rows.append(_Run(row, prompt, layers, cached, self._draft))

    def remove(self, row: Row) -> CachedPrompt | None:
        """As Batch.remove."""
        run = next((run for run in self._rows if run.row is row), None)
        if run is None:
            return None
        self._rows.remove(run)
        return run.kept() if run.begun else None

    def take(self, row: Row) -> CachedPrompt | None:
        run = next(run for run in self._rows if run.row is row)
        self._rows.remove(run)
        return run.kept()

    def step(self) -> list[Token]:
        """Read a piece of the first row's prompt, or decode its next token."""
        if not self._rows:
            return []
        run = self._rows[0]
        if run.read(self._model):
            return []
        token = run.next(self._model)
        if token.reason is not None:
            self._rows.popleft()
            return [Token(run.row, token.token, token.logprobs, token.reason, run.kept(), token.drafted)]
        return [token]

    def close(self) -> None:
        while self._rows:
            self._rows.popleft().close()
        del self._model, self._draft


@dataclass(eq=False)
class _Run:
    row: Row
    prompt: list[int]
    cache: list[Any]
    done: int
    draft: Any | None

    def __post_init__(self) -> None:
        self._cached = self.done
        self._tokens: Iterator[tuple[Any, ...]] | None = None
        self._made: list[int] = []
        self._matcher = self.row.stops.matcher()
        self._draft_cache = make_prompt_cache(self.draft) if self.draft is not None else []
        self._draft_done = 0

    @property
    def begun(self) -> bool:
        """Whether its cache holds more than at first."""
        return self.done > self._cached or self._tokens is not None

    def read(self, model: Any) -> bool:
        """Read the next piece of the prompt; False when all but its last token is read."""
        last = len(self.prompt) - 1
        if self.done < last:
            self.done = _read(model, self.cache, self.prompt, self.done, last)
            return True
        if self.draft is not None and self._draft_done < last:
            self._draft_done = _read(self.draft, self._draft_cache, self.prompt, self._draft_done, last)
            return True
        return False

    def next(self, model: Any) -> Token:
        if self._tokens is None:
            self._tokens = iter(self._generate(model))
        step = next(self._tokens)
        token, logprobs = int(step[0]), step[1]
        self._made.append(token)
        reason = None
        if len(self._made) >= self.row.max_tokens:
            reason = "length"
        if self._matcher.advance(token):
            reason = "stop"
        return Token(self.row, token, logprobs, reason, drafted=len(step) > 2 and bool(step[2]))

    def kept(self) -> CachedPrompt | None:
        """The cache and its tokens, if the cache tells how many it holds."""
        self.close()
        held = getattr(self.cache[0], "offset", None)
        tokens = self.prompt + self._made
        if not isinstance(held, int) or held > len(tokens) or not can_trim_prompt_cache(self.cache):
            return None
        return CachedPrompt(tokens[:held], self.cache)

    def close(self) -> None:
        close = getattr(self._tokens, "close", None)
        if close is not None:
            close()

    def _generate(self, model: Any) -> Iterator[tuple[Any, ...]]:
        options: Any = {
            "max_tokens": self.row.max_tokens,
            "sampler": self.row.sampler,
            "logits_processors": self.row.processors or None,
            "stream": mx.default_stream(mx.default_device()),
        }
        last = mx.array(self.prompt[-1:])
        if self.draft is None:
            return generate_step(last, model, prompt_cache=self.cache, **options)
        return speculative_generate_step(
            last,
            model,
            self.draft,
            num_draft_tokens=DRAFT_TOKENS,
            prompt_cache=[*self.cache, *self._draft_cache],
            **options,
        )


def _read(model: Any, cache: list[Any], prompt: list[int], start: int, end: int) -> int:
    stop = min(start + PREFILL_STEP, end)
    model(mx.array([prompt[start:stop]]), cache=cache)
    mx.eval([layer.state for layer in cache])
    return stop
