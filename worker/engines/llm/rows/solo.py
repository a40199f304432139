"""One row at a time, token by token: for models whose caches can't be batched, and for draft models.

It has the interface of Batch. It knows tokens, not text, and belongs to the thread of its models.
"""

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.generate import generate_step, speculative_generate_step
from mlx_lm.models.cache import can_trim_prompt_cache

from worker.engines.llm.prompt_cache import CachedPrompt
from worker.engines.llm.rows.checkpoints import marked
from worker.engines.llm.rows.reading import CAREFUL, Reading, Readings, TokenReading
from worker.engines.llm.rows.row import Advance, Row, Token

#: Tokens of a prompt that are read in a step: cancellations are seen between two steps.
PIECE = 512
#: Tokens that a draft model proposes at once; the value of mlx-lm's server.
DRAFT_TOKENS = 3


class Solo:
    """Rows run one after another, in their order. `draft` proposes tokens that the model checks."""

    def __init__(self, model: Any, draft: Any | None = None) -> None:
        self._model = model
        self._draft = draft
        self._rows: deque[_Run] = deque()
        self._readings = Readings(self._begin)
        #: when the last step that decoded began, on the monotonic clock
        self._decoded = -math.inf
        #: as Batch.advances
        self.advances: list[Advance] = []

    def __len__(self) -> int:
        return len(self._rows) + len(self._readings)

    @property
    def longest(self) -> int:
        """Tokens of the row that decodes."""
        return next((run.length for run in self._rows if not run.paused), 0)

    def insert(self, rows: list[Row], prompt: list[int], cached: int, cache: list[Any] | None) -> None:
        """As Batch.insert; each row reads its prompt itself."""
        for row in rows:
            reading = marked(row, TokenReading(self._model, prompt, cached, cache))
            self._rows.append(_Run(row, reading, self._draft))

    def read(self, rows: list[Row], reading: Reading) -> None:
        """As Batch.read."""
        self._readings.add(rows, marked(rows[0], reading))

    def be_careful(self, careful: bool) -> None:
        """Whether long prompts are read in small pieces."""
        self._readings.careful = careful

    def remove(self, row: Row) -> CachedPrompt | None:
        """As Batch.remove."""
        run = next((run for run in self._rows if run.row is row), None)
        if run is None:
            return self._readings.remove(row)
        self._rows.remove(run)
        return run.kept() if run.begun else None

    def take(self, row: Row) -> CachedPrompt | None:
        run = self._run(row)
        self._rows.remove(run)
        return run.kept()

    def pause(self, row: Row) -> None:
        """Let a row stand still: the next one is run."""
        self._run(row).paused = True

    def can_pause(self, row: Row) -> bool:
        """Whether the row is run."""
        return any(run.row is row for run in self._rows)

    def is_paused(self, row: Row) -> bool:
        return any(run.paused for run in self._rows if run.row is row)

    def resume(self, row: Row) -> None:
        for run in self._rows:
            run.paused = run.paused and run.row is not row

    def _run(self, row: Row) -> "_Run":
        return next(run for run in self._rows if run.row is row)

    def step(self) -> list[Token]:
        """Read a piece of the first row's prompt, or decode its next token."""
        began = time.monotonic()
        self.advances = []
        run = next((run for run in self._rows if not run.paused), None)
        if run is None:
            self.advances = self._readings.alone(began - self._decoded)
            return []
        self._decoded = began
        plain = not run.unread
        tokens = self._step(run)
        if self._readings:
            urgent = not run.row.background
            self.advances += self._readings.beside(len(self._rows), began, plain=plain, urgent=urgent)
        return tokens

    def _step(self, run: "_Run") -> list[Token]:
        if unread := run.unread:
            run.read(CAREFUL if self._readings.careful else PIECE)
            self.advances.append(Advance(run.row, run.unread, read=unread - run.unread))
            return []
        if run.read_draft():
            return []
        token = run.next(self._model)
        if token.reason is not None:
            self._rows.remove(run)
            return [Token(run.row, token.token, token.logprobs, token.reason, run.kept(), token.drafted)]
        return [token]

    def close(self) -> None:
        while self._rows:
            self._rows.popleft().close()
        self._readings.clear()
        del self._model, self._draft

    def _begin(self, rows: list[Row], prompt: list[int], cache: list[Any]) -> None:
        self.insert(rows, prompt, len(prompt) - 1, cache)


@dataclass(eq=False)
class _Run:
    row: Row
    reading: Reading
    draft: Any | None
    paused: bool = False

    def __post_init__(self) -> None:
        self._cached = self.reading.done
        self._tokens: Iterator[tuple[Any, ...]] | None = None
        self._made: list[int] = []
        self._matcher = self.row.stops.matcher()
        self._drafting = None if self.draft is None else TokenReading(self.draft, self.reading.tokens)

    @property
    def length(self) -> int:
        """Tokens of its prompt and its answer so far."""
        return len(self.reading.tokens) + len(self._made)

    @property
    def begun(self) -> bool:
        """Whether its cache holds more than at first."""
        return self.reading.done > self._cached or self._tokens is not None

    @property
    def unread(self) -> int:
        """Tokens of the prompt that are left, but for the last."""
        return _unread(self.reading)

    def read(self, most: int) -> None:
        """Read the next piece of the prompt."""
        mx.eval(self.reading.read(most))

    def read_draft(self) -> bool:
        """Have the draft model read its next piece; False when it has read all."""
        if self._drafting is None or not _unread(self._drafting):
            return False
        mx.eval(self._drafting.read(PIECE))
        return True

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
        cache = self.reading.cache
        held = getattr(cache[0], "offset", None)
        tokens = self.reading.tokens + self._made
        if not isinstance(held, int) or held > len(tokens) or not can_trim_prompt_cache(cache):
            return None
        return CachedPrompt(tokens[:held], cache, self.row.checkpoints)

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
        last, cache = mx.array(self.reading.tokens[-1:]), self.reading.cache
        if self.draft is None or self._drafting is None:
            return generate_step(last, model, prompt_cache=cache, **options)
        return speculative_generate_step(
            last,
            model,
            self.draft,
            num_draft_tokens=DRAFT_TOKENS,
            prompt_cache=[*cache, *self._drafting.cache],
            **options,
        )


def _unread(reading: Reading) -> int:
    return len(reading.tokens) - 1 - reading.done
