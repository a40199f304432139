"""Reads strings as models write them, and writes them as JSON.

This module knows quotation marks and escapes: raw newlines and tabs, unescaped quotes where what follows shows that
the string goes on, backslashes that escape nothing. It does not know values; see `near_json.py`.
"""

import json
from collections.abc import Callable
from typing import Any

import regex

from worker.engines.llm.formats.source import Source, Wait, overlap

_PLAIN = {'"': regex.compile(r'[^"\\\x00-\x1f]+'), "'": regex.compile(r"""[^'"\\\x00-\x1f]+""")}
#: The digits of an escape, JSON's and Python's.
_DIGITS = {"u": regex.compile(r"[0-9a-fA-F]{4}"), "x": regex.compile(r"[0-9a-fA-F]{2}")}
_LONGEST_ESCAPE = 6
_NAMES_OF_CONTROLS = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}

Write = Callable[[str], None]


def escaped(text: str) -> str:
    """Text as the inside of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


class Strings:
    """Copies strings from a source.

    `ends`: markers that may come where a closing mark is missing. `mark`: a family's own quotation mark.
    """

    def __init__(self, source: Source, write: Write, ends: tuple[str, ...], mark: str) -> None:
        self._source = source
        self._write = write
        self._ends = ends
        self._mark = mark

    def read(self, quote: str, after: Any) -> Wait[bool]:
        """Copy a string that begins here with this quotation mark. `after` matches what follows its end.

        False where it is not whole.
        """
        source, write = self._source, self._write
        if (yield from source.at(quote * 3, source.pos)):
            return (yield from self._triple(quote * 3))
        source.pos += 1
        write('"')
        plain = _PLAIN[quote]
        while True:
            if found := plain.match(source.text, source.pos):
                write(found[0])
                source.pos = found.end()
            char = yield from source.char(source.pos)
            if not char:
                return False
            if char == "\\":
                if not (yield from self._escape()):
                    return False
            elif char == quote:
                if (yield from self._closes(after)):
                    source.pos += 1
                    write('"')
                    return True
                write('\\"' if char == '"' else char)
                source.pos += 1
            elif char == '"' or char < " ":
                write(_NAMES_OF_CONTROLS.get(char) or escaped(char))
                source.pos += 1

    def _triple(self, quotes: str) -> Wait[bool]:
        self._source.pos += 3
        self._write('"')
        start = self._source.pos
        end = yield from self._source.find(quotes, start)
        self._source.pos = end + 3 if end >= 0 else len(self._source.text)
        self._write(escaped(self._source.text[start : end if end >= 0 else None]))
        if end >= 0:
            self._write('"')
        return end >= 0

    def _closes(self, after: Any) -> Wait[bool]:
        """Whether the quotation mark here ends its string: what follows it shows that."""
        source = self._source
        place = source.pos + 1
        while (found := after.match(source.text, place, partial=True)) is not None:
            if not found.partial or source.ended:
                return True
            yield
        solid = yield from source.solid(place)
        for end in self._ends:
            if (yield from source.at(end, solid)):
                return True
        return False

    def _escape(self) -> Wait[bool]:
        source = self._source
        char = yield from source.char(source.pos + 1)
        digits = None
        if pattern := _DIGITS.get(char):
            digits = yield from source.match(pattern, source.pos + 2)
        if not char or (
            source.cut and pattern and not digits and len(source.text) - source.pos < _LONGEST_ESCAPE
        ):
            source.pos = len(source.text)
            return False
        if char in '"\\/bfnrt':
            self._write("\\" + char)
        elif char == "'":
            self._write("'")
        elif char == "\n":
            self._write("\\n")
        elif digits:
            self._write("\\u" + digits[0] if char == "u" else escaped(chr(int(digits[0], 16))))
            source.pos = digits.end() - 2
        else:
            self._write("\\\\")
            source.pos -= 1
        source.pos += 2
        return True

    def marked(self) -> Wait[bool]:
        """Copy a string between the family's own marks, in which nothing is escaped."""
        source, mark = self._source, self._mark
        source.pos += len(mark)
        self._write('"')
        while True:
            end = source.text.find(mark, source.pos)
            held = overlap(source.text, mark, source.pos) if not source.ended or source.cut else 0
            stop = end if end >= 0 else len(source.text) - held
            if stop > source.pos:
                self._write(escaped(source.text[source.pos : stop]))
                source.pos = stop
            if end >= 0:
                source.pos += len(mark)
                self._write('"')
                return True
            if source.ended:
                return False
            yield
