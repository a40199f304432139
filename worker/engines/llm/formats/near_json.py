"""Reads JSON as models write it, and writes JSON.

What is JSON already comes out with the same values, whatever its white space. Read as well: raw newlines and
tabs in strings, unescaped quotes in them where what follows shows that the string goes on, backslashes that
escape nothing, single and triple quotes, Python's literals and tuples, keys without quotes, commas too many or
too few, and brackets that are missing at the end.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import regex

from worker.engines.llm.formats.source import Source, Wait, overlap

_PLAIN = {'"': regex.compile(r'[^"\\\x00-\x1f]+'), "'": regex.compile(r"""[^'"\\\x00-\x1f]+""")}
_NUMBER = regex.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_SCALAR = regex.compile(r"""[^\s,\[\]{}()"'<;]+""")
_WORDS = regex.compile(r"""[^,\[\]{}()"'<\n;]+""")
_KEY = regex.compile(r"[\w$.-]+")
#: A key of a family with its own quotation mark, which writes none around keys.
_BARE_KEY = regex.compile(r"[^:,{}\[\]<\"']+")
#: The digits of an escape, JSON's and Python's.
_DIGITS = {"u": regex.compile(r"[0-9a-fA-F]{4}"), "x": regex.compile(r"[0-9a-fA-F]{2}")}
_LONGEST_ESCAPE = 6
#: What follows the end of a string: of a key, of a value in an object, in a list, of a keyword argument.
_AFTER_KEY = regex.compile(r"\s*:")
_AFTER = {
    "}": regex.compile(r"""\s*(?:[}\]]|,\s*(?:["'}]|[\w$.-]+\s*:))"""),
    "]": regex.compile(r"""\s*(?:[\]})]|,\s*(?:["'\[{(\])\-\d]|true|false|null|True|False|None|NaN))"""),
    ")": regex.compile(r"""\s*(?:[\])}]|,\s*(?:["'\[{(\])\-\d]|true|false|null|True|False|None|NaN))"""),
    "": regex.compile(r"\s*(?:\)|,\s*(?:\)|\w+\s*=))"),
}
_LITERALS = {"true": "true", "false": "false", "null": "null", "none": "null", "nan": "null"}
_CLOSERS = {"{": "}", "[": "]", "(": ")"}
_NAMES_OF_CONTROLS = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}

Write = Callable[[str], None]


def escaped(text: str) -> str:
    """Text as the inside of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


class NearJson:
    """Copies one value from a source, as JSON.

    `ends`: markers that may come where brackets are missing. `quote`: a family's own quotation mark. `inside`: what
    closes the object or list that the value is a member of; without it the value is a keyword argument.
    """

    def __init__(
        self, source: Source, write: Write, ends: tuple[str, ...] = (), quote: str = "", inside: str = ""
    ) -> None:
        self._inside = inside
        self._source = source
        self._write = write
        self._ends = ends
        self._quote = quote
        #: the brackets that are open, as what closes them
        self._open: list[str] = []

    def value(self) -> Wait[bool]:
        """Copy the value that begins here. False where it is not whole, or can't be read: then nothing fits."""
        source = self._source
        state, comma = "value", False
        while True:
            char = yield from source.skip_space()
            if not char:
                return self._end_of_text(state)
            if state != "value" and (yield from self._at_end()):
                return self._end_of_text(state)
            if char in "}])" and self._open:
                if not self._close(char, state):
                    return False
                source.pos += 1
                if not self._open:
                    return True
                state = "after"
            elif state == "key":
                if char == ",":
                    source.pos += 1
                    continue
                if comma:
                    self._write(", ")
                    comma = False
                if self._open[-1] != "}":
                    state = "value"
                elif (yield from self._key(char)):
                    state = "colon"
                else:
                    return False
            elif state == "colon":
                if char != ":":
                    return False
                source.pos += 1
                self._write(": ")
                state = "value"
            elif state == "after":
                if char == ",":
                    source.pos += 1
                state, comma = "key", True
            elif char in _CLOSERS:
                source.pos += 1
                self._open.append(_CLOSERS[char])
                self._write("{" if char == "{" else "[")
                state, comma = "key", False
            else:
                if not (yield from self._scalar(char)):
                    return False
                if not self._open:
                    return True
                state = "after"

    def string(self) -> Wait[bool]:
        """Copy a string that begins here, with its quotation marks."""
        return (yield from self._string(self._source.text[self._source.pos], key=False))

    def _key(self, char: str) -> Wait[bool]:
        source = self._source
        if self._quote and (yield from source.at(self._quote, source.pos)):
            return (yield from self._quoted())
        if char in "\"'":
            return (yield from self._string(char, key=True))
        found = yield from self._match(_BARE_KEY if self._quote else _KEY)
        if found is None:
            return False
        source.pos = found.end()
        if source.cut and source.pos == len(source.text):
            return False
        self._write(json.dumps(found[0].strip(), ensure_ascii=False))
        return True

    def _match(self, pattern: Any) -> Wait[Any]:
        """What fits the pattern here, once the text goes on behind it or has ended."""
        source, start = self._source, self._source.pos
        while (found := pattern.match(source.text, start)) and found.end() == len(source.text):
            if source.ended:
                break
            yield
        return found

    def _scalar(self, char: str) -> Wait[bool]:
        source = self._source
        if self._quote and (yield from source.at(self._quote, source.pos)):
            return (yield from self._quoted())
        if char in "\"'":
            return (yield from self._string(char, key=False))
        start = source.pos
        found = yield from self._match(_SCALAR)
        if found is None:
            return False
        source.pos = found.end()
        word = found[0]
        if source.pos == len(source.text) and source.cut:
            if word[0] in "-0123456789" or any(each.startswith(word) for each in ("true", "false", "null")):
                self._write(word)
            return False
        if (written := _literal(word)) is None:
            source.pos = start
            while (found := _WORDS.match(source.text, start)).end() == len(source.text):
                if source.ended:
                    break
                yield
            source.pos = found.end()
            written = json.dumps(found[0].strip(), ensure_ascii=False)
        self._write(written)
        return True

    def _quoted(self) -> Wait[bool]:
        """A string between the family's own marks, in which nothing is escaped."""
        source, mark = self._source, self._quote
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

    def _string(self, quote: str, *, key: bool) -> Wait[bool]:
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
                if (yield from self._closes(key)):
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

    def _closes(self, key: bool) -> Wait[bool]:
        """Whether the quotation mark here ends its string: what follows it shows that."""
        source = self._source
        after = _AFTER_KEY if key else _AFTER[self._open[-1] if self._open else self._inside]
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

    def _at_end(self) -> Wait[bool]:
        for end in self._ends:
            if (yield from self._source.at(end, self._source.pos)):
                return True
        return False

    def _close(self, char: str, state: str) -> bool:
        """Close what this bracket closes, and what is open in it."""
        if char not in self._open:
            return False
        self._complete(state)
        while self._open:
            last = self._open.pop()
            self._write("}" if last == "}" else "]")
            if last == char:
                break
        return True

    def _complete(self, state: str) -> None:
        """A key without a value has none."""
        if state == "colon":
            self._write(": null")
        elif state == "value" and self._open and self._open[-1] == "}":
            self._write("null")

    def _end_of_text(self, state: str) -> bool:
        """The model has ended between two values: what is open ends there. What was cut is left as it is."""
        if self._source.cut or not self._open:
            return False
        self._complete(state)
        while self._open:
            self._write("}" if self._open.pop() == "}" else "]")
        return True


def _literal(word: str) -> str | None:
    """A number or a literal as JSON; None for any other word."""
    if _NUMBER.fullmatch(word):
        return word
    if (known := _LITERALS.get(word.lower())) is not None:
        return known
    try:
        number: Any = int(word, 0) if not word.lstrip("+-").startswith("0") or "x" in word else float(word)
    except ValueError:
        try:
            number = float(word)
        except ValueError:
            return None
    if isinstance(number, float) and not math.isfinite(number):
        return "null"
    return json.dumps(number)


def read_all(text: str, quote: str = "") -> Any:
    """The value of a whole text, JSON or nearly so. Raises ValueError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    source = Source()
    source.text, source.ended = text, True
    written: list[str] = []
    reader = NearJson(source, written.append, quote=quote).value()
    try:
        next(reader)
    except StopIteration as end:
        if end.value and not source.text[source.pos :].strip():
            try:
                return json.loads("".join(written))
            except RecursionError as error:
                raise ValueError("nested too deep") from error
    raise ValueError("no JSON")
