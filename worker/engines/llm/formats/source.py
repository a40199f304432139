"""Text that is still being generated, for readers that are generators.

A reader asks for the text that it needs, and yields while it is not there yet. This module knows positions, not
formats.
"""

from collections.abc import Generator, Iterable
from typing import Any, TypeVar

import regex

T = TypeVar("T")
#: A reader: it yields to wait for more text.
Wait = Generator[None, None, T]

_BLANK = regex.compile(r"\s*")
#: Characters of the head of a call or an argument, which holds a name. It is looked for again with each token.
_LONGEST = 1_024


class Source:
    """`text[pos:]` is not read yet; the first character of `text` is number `base` of the answer.

    `ended`: no more text will come. `cut`: because of max_tokens, not because the model has ended.
    """

    __slots__ = ("base", "cut", "ended", "pos", "text")

    def __init__(self) -> None:
        self.text = ""
        self.pos = self.base = 0
        self.ended = self.cut = False

    def forget(self) -> None:
        """Drop the text that has been read: positions in `text` change."""
        if self.pos:
            self.text, self.base, self.pos = self.text[self.pos :], self.base + self.pos, 0

    def char(self, at: int) -> Wait[str]:
        """The character at a position; empty when the text ends before it."""
        while at >= len(self.text):
            if self.ended:
                return ""
            yield
        return self.text[at]

    def solid(self, at: int) -> Wait[int]:
        """The position of the first character from `at` that is no white space, or the end of all text."""
        while True:
            at = _BLANK.match(self.text, at).end()
            if at < len(self.text) or self.ended:
                return at
            yield

    def skip_space(self) -> Wait[str]:
        """Go to the next character that is no white space, and return it; empty at the end."""
        self.pos = yield from self.solid(self.pos)
        return self.text[self.pos : self.pos + 1]

    def at(self, literal: str, place: int) -> Wait[bool]:
        """Whether this literal stands at a position."""
        while True:
            there = self.text[place : place + len(literal)]
            if there == literal:
                return True
            if self.ended or not literal.startswith(there):
                return False
            yield

    def at_any(self, texts: Iterable[str], place: int) -> "Wait[bool]":
        """Whether one of these texts stands here."""
        for text in texts:
            if (yield from self.at(text, place)):
                return True
        return False

    def take(self, literal: str) -> Wait[bool]:
        """Read a literal, with white space before it, if it is there."""
        place = yield from self.solid(self.pos)
        if literal and (yield from self.at(literal, place)):
            self.pos = place + len(literal)
            return True
        return False

    def match(self, pattern: Any, place: int) -> Wait[Any]:
        """The match of a pattern at a position; None if no further text can make one, or only a very long one."""
        while True:
            found = pattern.match(self.text, place, partial=not self.ended)
            if found is None or found.end() - place > _LONGEST:
                return None
            if not found.partial:
                return found
            yield

    def find(self, literal: str, start: int) -> Wait[int]:
        """The next position of a literal; -1 if the text ends without it."""
        while True:
            place = self.text.find(literal, start)
            if place >= 0 or self.ended:
                return place
            start = max(start, len(self.text) - len(literal) + 1)
            yield


def overlap(text: str, marker: str, start: int) -> int:
    """The length of the longest end of `text[start:]` that begins `marker`."""
    for length in range(min(len(marker) - 1, len(text) - start), 0, -1):
        if text.endswith(marker[:length]):
            return length
    return 0
