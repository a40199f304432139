"""The grammar of one answer as a logits processor of mlx-lm: only tokens that the grammar allows are sampled.

The grammar begins with the answer, or when the model has written certain text: the end of its reasoning, the start of
a tool call. Masks are made on the CPU and applied by MLX, so that it works on any device.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import numpy as np

from jobs.errors import EngineFailure, InvalidRequest, MlxqError
from worker.engines.llm.grammars.closing import LONGEST, Closer
from worker.engines.llm.grammars.json_text import JsonText
from worker.engines.llm.grammars.loop import Loop
from worker.engines.llm.grammars.vocabulary import Vocabulary

# It is loaded where the first request asks for a grammar.
if TYPE_CHECKING:
    from llguidance import LLMatcher

#: Line breaks that may come before what the grammar describes.
_MOST_BREAKS = 2
#: Part of the tokens that are left after which an end is looked for again where none was found.
_SELDOM = 64
#: Bytes at the end of what was written in which the start of a grammar is looked for.
_TAIL = 128


@dataclass(frozen=True, slots=True)
class Opening:
    """Tokens that follow the first one of an opening of reasoning, and the bytes that end the reasoning."""

    rest: tuple[int, ...]
    closing: bytes


@dataclass(frozen=True, slots=True)
class Start:
    """Where a grammar begins.

    `after`: bytes one of which has to be written first. `openings`: tokens by which the model itself may begin to
    think; the grammar then begins after that. `end`: whether the answer may end before the grammar begins. `ends`:
    bytes after which it may: of a call that the model makes before it has ended its reasoning.
    """

    after: tuple[bytes, ...] = ()
    openings: Mapping[int, Opening] = field(default_factory=dict)
    end: bool = False
    ends: tuple[bytes, ...] = ()


class Limits:
    """What constraints of one model share: its tokens by what they do."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.tokens = vocabulary.tokens
        self.closer = Closer(vocabulary)
        self.digits = np.array([raw[:1].isdigit() for raw in self.tokens], dtype=bool)
        breaks = [token for token, raw in enumerate(self.tokens) if raw and not raw.strip(b"\n")]
        self.breaks = frozenset(breaks)

    @cached_property
    def ends(self) -> mx.array:
        # Made by the engine's thread: arrays of MLX stay with theirs.
        return self.mask(self.vocabulary.ends)

    def mask(self, tokens: Iterable[int]) -> mx.array:
        allowed = np.zeros(self.vocabulary.size, dtype=bool)
        allowed[list(tokens)] = True
        return mx.array(allowed)


class Constraint:
    """Tokens so far, logits [1, vocabulary] → logits.

    When the grammar has ended, only an end token may follow; with `repeat` anything may, until its start comes again.
    With `most` tokens for the answer, it is led to its end before they are used up, wherever that can be done.
    """

    def __init__(
        self,
        grammar: "LLMatcher",
        limits: Limits,
        start: Start | None = None,
        *,
        repeat: bool = False,
        most: int | None = None,
        zone: int = 64,
    ) -> None:
        """`zone`: tokens that a single one may add to the shortest end."""
        self._grammar = grammar
        self._limits = limits
        self._start = start or Start()
        self._repeat = repeat
        self._zone = zone
        self._left = most
        #: what is waited for before the grammar begins
        self._awaited = self._start.after
        self._tail = b""
        self._matcher: LLMatcher | None = None if self._awaited else grammar.deep_copy()
        #: tokens of an opening that still have to come
        self._forced: list[int] = []
        self._leading = True
        self._breaks = 0
        self._text = JsonText()
        self._loop = Loop()
        self._end: list[int] | None = None
        #: tokens left at which the shortest end is looked for again; none: it can't be reached
        self._look_at: int | None = most
        self._begun = False

    def __call__(self, tokens: mx.array, logits: mx.array) -> mx.array:
        if self._begun:
            last: Any = tokens[-1].item()
            self._take(last)
        self._begun = True
        if self._forced:
            return mx.where(self._limits.mask([self._forced[0]]), logits, -mx.inf)
        matcher = self._matcher
        if matcher is None:
            may_end = self._start.end or self._tail.rstrip().endswith(self._start.ends)
            return logits if may_end else mx.where(self._limits.ends, -mx.inf, logits)
        allowed = mx.array(self._allowed(matcher, logits.shape[-1]))
        if not matcher.is_stopped() and matcher.is_accepting():
            allowed = _continued(allowed, self._limits.ends, logits)
        if self._leading and (extra := self._extra()):
            wished = self._limits.mask(extra) & (logits >= logits.max(axis=-1, keepdims=True))
            allowed = allowed | wished
        return mx.where(allowed, logits, -mx.inf)

    def _allowed(self, matcher: "LLMatcher", width: int) -> np.ndarray:
        bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        if matcher.is_error():
            raise _broken(matcher)
        allowed: np.ndarray = np.unpackbits(bits, bitorder="little")[:width].view(bool)
        if len(allowed) < width:
            allowed = np.pad(allowed, (0, width - len(allowed)))
        if self._text.digits_end and not self._text.in_string:
            without = allowed & ~self._limits.digits
            # A bound or a multiple may require more digits.
            allowed = without if without.any() else allowed
        if (
            self._loop.seen
            and (end := self._limits.closer.end(matcher, self._text, LONGEST))
            and allowed[end[0]]
        ):
            # A step towards the end leaves the text or the list that is repeated.
            allowed[:] = False
            allowed[end[0]] = True
        elif self._look_at is not None and self._left is not None and not matcher.is_stopped():
            allowed = self._closing(matcher, allowed, self._left)
        return allowed

    def _closing(self, matcher: "LLMatcher", allowed: np.ndarray, left: int) -> np.ndarray:
        """The tokens after which the answer can still be ended; it may have `left` more, its end among them."""
        assert self._look_at is not None
        if left > self._look_at:
            return allowed
        closer = self._limits.closer
        if self._end is None:
            self._end = closer.end(matcher, self._text, left - 1)
            if self._end is None:
                # A pattern can hide its end. A little later there may be one.
                self._look_at = left - 1 - left // _SELDOM
                return allowed
        spare = left - len(self._end) - 1
        if spare > self._zone:
            self._look_at = left - max(1, (spare - self._zone) // 2)
            self._end = None
            return allowed
        return closer.fitting(matcher, self._text, allowed, self._end, left)

    def _extra(self) -> list[int]:
        """Tokens that the model may write before the grammar begins, where nothing else is required."""
        extra = list(self._start.openings)
        if self._breaks < _MOST_BREAKS and (extra or self._start.after):
            extra += self._limits.breaks
        return extra

    def _take(self, token: int) -> None:
        if self._left is not None:
            self._left -= 1
        if self._forced:
            self._forced.pop(0)
            return
        if self._matcher is None:
            self._wait(token)
        elif self._leading and token in self._extra() and not self._matcher.validate_tokens([token]):
            self._lead(token)
        else:
            self._leading = False
            self._consume(self._matcher, token)

    def _wait(self, token: int) -> None:
        raw = self._limits.tokens[token]
        self._tail = (self._tail + raw)[-_TAIL:]
        if self._tail.rstrip().endswith(self._awaited):
            self._tail = b""
            self._matcher = self._grammar.deep_copy()
            self._leading = not self._repeat

    def _lead(self, token: int) -> None:
        """The model has begun with text outside the grammar: a line break, or its reasoning."""
        if token in self._limits.breaks:
            self._breaks += 1
            return
        opening = self._start.openings[token]
        self._forced = list(opening.rest)
        self._start = replace(self._start, after=(opening.closing,), openings={})
        self._matcher, self._awaited = None, self._start.after
        self._tail = self._limits.tokens[token]
        self._breaks = 0

    def _consume(self, matcher: "LLMatcher", token: int) -> None:
        if not matcher.is_stopped() and not matcher.consume_token(token):
            raise _broken(matcher)
        raw = self._limits.tokens[token]
        self._text.feed(raw)
        self._loop.add(token)
        if self._end is not None:
            if self._end[:1] == [token]:
                self._end = self._end[1:]
            elif not self._limits.closer.stays(self._end, matcher, token):
                self._end = None
        if self._repeat and matcher.is_stopped():
            self._matcher = None


def _continued(allowed: mx.array, ends: mx.array, logits: mx.array) -> mx.array:
    """Where the grammar may end or continue, it continues only if the model prefers that.

    If a token that the grammar forbids is likelier than every token that continues it, the answer ends.
    """
    further = mx.where(allowed & ~ends, logits, -mx.inf).max(axis=-1, keepdims=True)
    forbidden = mx.where(allowed, -mx.inf, logits).max(axis=-1, keepdims=True)
    return allowed & (ends | (further >= forbidden))


def _broken(matcher: "LLMatcher") -> MlxqError:
    reason = first_line(matcher.get_error())
    if any(sign in reason for sign in ("too many", "too complex", "; max is ", "fuel")):
        return InvalidRequest(
            f"The schema can't be enforced: it is too complex ({reason}).", code="invalid_json_schema"
        )
    return EngineFailure(f"The grammar broke off: {reason}")


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:300]
