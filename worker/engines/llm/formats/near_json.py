"""Reads JSON as models write it, and writes JSON.

Valid JSON keeps its values; its white space may change. Also read: strings that are no JSON (see `strings.py`),
Python's literals and tuples, keys without quotes, commas too many or too few, and brackets that are missing at the
end.
"""

import json
import math
from typing import Any

import regex

from worker.engines.llm.formats.source import Source, Wait
from worker.engines.llm.formats.strings import Strings, Write

_NUMBER = regex.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_SCALAR = regex.compile(r"""[^\s,\[\]{}()"'<;]+""")
_WORDS = regex.compile(r"""[^,\[\]{}()"'<\n;]+""")
_KEY = regex.compile(r"[\w$.-]+")
#: A key of a family with its own quotation mark, which writes none around keys.
_BARE_KEY = regex.compile(r"[^:,{}\[\]<\"']+")
#: What follows the end of a string: of a key, of a value in an object, in a list, of a keyword argument.
_AFTER_KEY = regex.compile(r"\s*:")
_AFTER = {
    "}": regex.compile(r"""\s*(?:[}\]]|,\s*(?:["'}]|[\w$.-]+\s*:))"""),
    "]": regex.compile(r"""\s*(?:[\]})]|,\s*(?:["'\[{(\])\-\d]|true|false|null|True|False|None|NaN))"""),
    ")": regex.compile(r"""\s*(?:[\])}]|,\s*(?:["'\[{(\])\-\d]|true|false|null|True|False|None|NaN))"""),
    "(": regex.compile(r"""\s*(?:\)|,\s*(?:["'\[{()\-\d]|\w+\s*=|true|false|null|True|False|None|NaN))"""),
    "": regex.compile(r"\s*(?:\)|,\s*(?:\)|\w+\s*=))"),
}
_LITERALS = {"true": "true", "false": "false", "null": "null", "none": "null", "nan": "null"}
_CLOSERS = {"{": "}", "[": "]", "(": ")"}


class NearJson:
    """Copies one value from a source, as JSON.

    `ends`: markers that may come where brackets are missing. `quote`: a family's own quotation mark. `inside`: what
    closes the object or list that the value is a member of; "(": it is an argument by its place; without it the value
    is a keyword argument.
    """

    def __init__(
        self, source: Source, write: Write, ends: tuple[str, ...] = (), quote: str = "", inside: str = ""
    ) -> None:
        self._inside = inside
        self._source = source
        self._write = write
        self._ends = ends
        self._quote = quote
        self._strings = Strings(source, write, ends, quote)
        #: the brackets that are open, as what closes them
        self._open: list[str] = []

    def value(self) -> Wait[bool]:
        """Copy the value that begins here. False if it is incomplete or cannot be read."""
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
        return (yield from self._strings.read(self._source.text[self._source.pos], self._after()))

    def _key(self, char: str) -> Wait[bool]:
        source = self._source
        if self._quote and (yield from source.at(self._quote, source.pos)):
            return (yield from self._strings.marked())
        if char in "\"'":
            return (yield from self._strings.read(char, _AFTER_KEY))
        found = yield from self._match(_BARE_KEY if self._quote else _KEY)
        if found is None:
            return False
        source.pos = found.end()
        if source.cut and source.pos == len(source.text):
            return False
        self._write(json.dumps(found[0].strip(), ensure_ascii=False))
        return True

    def _match(self, pattern: Any) -> Wait[Any]:
        """The match of the pattern here, when text follows it or the text has ended."""
        source, start = self._source, self._source.pos
        while (found := pattern.match(source.text, start)) and found.end() == len(source.text):
            if source.ended:
                break
            yield
        return found

    def _scalar(self, char: str) -> Wait[bool]:
        source = self._source
        if self._quote and (yield from source.at(self._quote, source.pos)):
            return (yield from self._strings.marked())
        if char in "\"'":
            return (yield from self._strings.read(char, self._after()))
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

    def _after(self) -> Any:
        """What follows the end of a value here."""
        return _AFTER[self._open[-1] if self._open else self._inside]

    def _at_end(self) -> Wait[bool]:
        for end in self._ends:
            if (yield from self._source.at(end, self._source.pos)):
                return True
        return False

    def _close(self, char: str, state: str) -> bool:
        """Close this bracket's level, and the levels within."""
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
        """Write null for a key without a value."""
        if state == "colon":
            self._write(": null")
        elif state == "value" and self._open and self._open[-1] == "}":
            self._write("null")

    def _end_of_text(self, state: str) -> bool:
        """Close all levels if the model ended between two values. Text that was cut is left unchanged."""
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
