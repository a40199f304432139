"""The shortest end that a grammar allows, so that an answer can be closed before its tokens run out.

The search is greedy: closing brackets and quotes first, then the shortest values. Each candidate is tried on a copy
of the matcher, so that the grammar accepts every end that is found.
"""

import string
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from worker.engines.llm.grammars.json_text import JsonText
from worker.engines.llm.grammars.vocabulary import Vocabulary

# It is loaded where the first request asks for a grammar.
if TYPE_CHECKING:
    from llguidance import LLMatcher

#: Tokens of the longest end that is searched.
LONGEST = 1024
#: What closes, then what is short, then what opens something.
_OUTSIDE = '}],0123456789n"tf-[{:.+eE \n<>'
#: What ends a text, what often separates its parts, what fills it.
_INSIDE = '"@:/TZ' + string.digits + string.ascii_letters + "-._ ,+" + string.punctuation
#: Characters of one text after which the search tries others first: a repetition may have to be left.
_PATIENCE = 8
#: Tokens whose ends are looked at one by one; where more are allowed they are mostly the letters of a text.
_FEW = 48
#: Tokens that others of a text may cost: a half character or an escape has to be completed.
_SLACK = 8


class Closer:
    """The ends of one model's answers."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._view = vocabulary.grammars
        self._ends = frozenset(vocabulary.ends)
        single: dict[bytes, int] = {}
        # Of two tokens for a byte the later one is the ordinary one: byte fallbacks come first.
        single.update((raw, token) for token, raw in enumerate(vocabulary.tokens) if len(raw) == 1)
        self._outside = _tokens(single, _OUTSIDE)
        # The last ones complete a character of several bytes.
        rest = [single[each] for each in (bytes([byte]) for byte in range(0x80, 0xC0)) if each in single]
        self._inside = _tokens(single, _INSIDE) + rest
        self._turned = list(reversed(self._inside[1:]))
        self._tokens = vocabulary.tokens
        self._quote = single.get(b'"', -1)
        self._several = np.array([len(raw) > 1 for raw in self._tokens], dtype=bool)
        self._letters = np.array([_is_letters(raw) for raw in self._tokens], dtype=bool)
        # What opens and closes: in a text only its end does.
        self._structural = {False: self._holding(b'"{}[],:'), True: self._holding(b'"')}

    def end(self, matcher: "LLMatcher", text: JsonText, most: int) -> list[int] | None:
        """Tokens that end the answer, without the end token; None where no end of at most `most` is found."""
        return self._end(matcher.deep_copy(), text.copy(), min(most, LONGEST))

    def stays(self, end: list[int], matcher: "LLMatcher", token: int) -> bool:
        """Whether an end still is one after a token of a text: the end begins with that of the text."""
        inside = end[:1] == [self._quote] and self._letters[token]
        return bool(inside) and bool(matcher.validate_tokens(end[:1]))

    def fitting(
        self, matcher: "LLMatcher", text: JsonText, allowed: np.ndarray, end: list[int], left: int
    ) -> np.ndarray:
        """Of the allowed tokens those after which `left - 1` tokens suffice to end. `end`: the shortest end now."""
        chosen, structural = allowed.copy(), self._structural[text.in_string]
        if np.count_nonzero(chosen) > _FEW:
            # A token that closes and opens in one is left out: what it leads to can be written one by one.
            chosen &= ~(structural & self._several)
        looked_at = chosen.copy() if np.count_nonzero(chosen) <= _FEW else chosen & structural
        if len(end) + _SLACK >= left:
            letters = end[:1] == [self._quote] and len(end) + 2 <= left
            chosen &= looked_at | self._letters if letters else looked_at
        for token in np.nonzero(looked_at)[0].tolist():
            if token not in self._ends and not self._fits(matcher, text, token, left - 1):
                chosen[token] = False
        if end and allowed[end[0]]:
            chosen[end[0]] = True
        return chosen if chosen.any() else allowed

    def _holding(self, some: bytes) -> np.ndarray:
        return np.array([not set(some).isdisjoint(raw) for raw in self._tokens], dtype=bool)

    def _fits(self, matcher: "LLMatcher", text: JsonText, token: int, left: int) -> bool:
        after, text = matcher.deep_copy(), text.copy()
        if not after.consume_token(token):
            return False
        text.feed(self._tokens[token])
        return self._end(after, text, min(left - 1, LONGEST)) is not None

    def _end(self, matcher: "LLMatcher", text: JsonText, most: int) -> list[int] | None:
        end: list[int] = []
        letters = 0
        while not matcher.is_accepting():
            step = self._forced(matcher)
            if not step:
                letters = letters + 1 if text.in_string else 0
                step = self._choice(matcher, text, letters)
            if not step or len(end) + len(step) > most or not matcher.consume_tokens(step):
                return None
            end += step
            for token in step:
                text.feed(self._tokens[token])
        return end

    def _forced(self, matcher: "LLMatcher") -> list[int]:
        forced = matcher.compute_ff_tokens()
        if not forced and (raw := matcher.compute_ff_bytes()):
            forced = self._view.tokenize_bytes(raw)
        return forced

    def _choice(self, matcher: "LLMatcher", text: JsonText, letters: int) -> list[int]:
        candidates: Iterable[int] = self._outside
        if text.in_string:
            turned = letters // _PATIENCE % 2
            candidates = [self._inside[0], *self._turned] if turned else self._inside
        return next(([token] for token in candidates if matcher.validate_tokens([token])), [])


def _tokens(single: dict[bytes, int], characters: str) -> list[int]:
    found = (single.get(character.encode()) for character in dict.fromkeys(characters))
    return [token for token in found if token is not None]


def _is_letters(raw: bytes) -> bool:
    """Whether a token of a text is whole in itself."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return False
    return bool(text) and text.isprintable() and '"' not in text and "\\" not in text
