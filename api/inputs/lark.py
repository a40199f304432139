"""Lark grammars of texts as grammars of the JSON strings that hold such texts.

A model writes the text of a custom tool inside of JSON, where quotes, backslashes and line breaks are escaped. This
module writes each terminal of a grammar as the escaped text has it; rules stay as they are. It knows the syntax of
Lark as far as clients use it. What it does not know is not enforced.

The library's lexer does not look ahead: a terminal that may go on with an escape, and may end before one, goes on. So
an escape is a terminal of its own here, and what was a terminal with escapes is a rule. With `%ignore` there may be
no further terminals: the texts of such a grammar have escapes only where its literals have them.
"""

import json
import re
from collections import deque
from collections.abc import Iterator

from api.inputs.patterns import size

#: Characters of a pattern with its repetitions written out, and times that a part of a grammar may be repeated.
_LARGEST_PATTERN, _MOST_TIMES = 20_000, 1_000
#: Rules, terminals and groups of a grammar. The library follows them on its stack, and 3,000 have ended the process.
_MOST_PARTS = 1_000

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|(?:\#|//)[^\n]*)
    |(?P<line>\n)
    |(?P<string>"(?:\\.|[^"\\\n])*")(?P<flag>i?)
    |(?P<regex>/(?:\\.|[^/\\\n])+/)(?P<flags>[imslux]*)
    |(?P<import>%import[ \t]+common\.(?P<name>[A-Z_]+)(?:[ \t]*->[ \t]*(?P<alias>[A-Z_][A-Z0-9_]*))?)
    |(?P<imports>%import[ \t]+common[ \t]*\((?P<names>[A-Z_, \t]+)\))
    |(?P<ignore>%ignore)
    |(?P<word>[?!]?[_a-zA-Z][_a-zA-Z0-9]*)
    |(?P<times>~[ \t]*\d+(?:[ \t]*\.\.[ \t]*\d+)?|\{[ \t]*\d*[ \t]*,?[ \t]*\d*[ \t]*\})
    |(?P<range>\.\.)
    |(?P<mark>->|[:|()\[\]*+?])""",
    re.VERBOSE | re.ASCII,
)
_STRING_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
#: What Lark's own library of terminals has.
_COMMON = {
    "DIGIT": "/[0-9]/",
    "HEXDIGIT": "/[0-9a-fA-F]/",
    "INT": "/[0-9]+/",
    "SIGNED_INT": "/[+-]?[0-9]+/",
    "DECIMAL": r"/[0-9]+\.[0-9]*|\.[0-9]+/",
    "FLOAT": r"/[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/",
    "SIGNED_FLOAT": r"/[+-]?(?:[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)/",
    "NUMBER": r"/(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/",
    "SIGNED_NUMBER": r"/[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/",
    "ESCAPED_STRING": r'"\"" (/[^"\\\n]+/ | /\\./)* "\""',
    "LCASE_LETTER": "/[a-z]/",
    "UCASE_LETTER": "/[A-Z]/",
    "LETTER": "/[a-zA-Z]/",
    "WORD": "/[a-zA-Z]+/",
    "CNAME": "/[_a-zA-Z][_a-zA-Z0-9]*/",
    "WS_INLINE": r"/[ \t]+/",
    "WS": r"/[ \t\f\r\n]+/",
    "CR": r"/\r/",
    "LF": r"/\n/",
    "NEWLINE": r'("\r"? "\n")+',
    "SH_COMMENT": r'"#" /[^\n]*/',
    "CPP_COMMENT": r'"//" /[^\n]*/',
    "SQL_COMMENT": r'"--" /[^\n]*/',
}

_REGEX = re.compile(
    r"""(?P<open>\((?:\?:|(?!\?)))
    |\[(?P<set>\^?\]?(?:\\.|[^\]\\])*)\]
    |(?P<group>\\[dDwWsS])
    |(?P<char>\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[nrtfv]|[^a-zA-Z0-9])|[^\\()\[\].*+?{}|^$])
    |(?P<dot>\.)
    |(?P<times>\{\d+(?:,\d*)?\}\??|[*+?]\??)
    |(?P<mark>[)|])""",
    re.VERBOSE | re.DOTALL,
)
#: Characters that have an escape of two letters in JSON, by the second letter. No text has other control characters.
_SHORT = {'"': '"', "\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
#: Those that stand for themselves, and enough of them to know whether a set has any.
_PLAIN = r'[^"\\\x00-\x1f]'
_SAMPLE = frozenset(char for char in map(chr, range(0x20, 0x300)) if char not in '"\\')


#: Repetitions without an end.
_NUMBER = re.compile("[0-9]+")
_UNBOUNDED = re.compile(r"[*+]|\{\d+,\}", re.ASCII)


class NotKnown(ValueError):
    """A part of a grammar that can't be written for JSON."""


def within_json(grammar: str) -> str:
    """A grammar of the text between the quotes of a JSON string. Raises NotKnown."""
    tokens = [found for found in _tokens(_TOKEN, grammar) if not found["space"]]
    if sum(found[0] in (":", "(", "[") for found in tokens) > _MOST_PARTS:
        raise NotKnown(f"a grammar of more than {_MOST_PARTS} parts")
    return _Writer(whole=any(found["ignore"] for found in tokens)).written(tokens)


def _tokens(syntax: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(text):
        found = syntax.match(text, position)
        if found is None:
            raise NotKnown(f"'{text[position : position + 20]}'")
        yield found
        position = found.end()


class _Writer:
    """`whole`: terminals stay terminals."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole

    def written(self, tokens: list[re.Match[str]]) -> str:
        parts: list[str] = []
        rest = deque(tokens)
        while rest:
            found = rest.popleft()
            match found.lastgroup:
                case "flag" if len(rest) > 1 and rest[0]["range"] and rest[1]["string"]:
                    parts.append(self._range(found["string"], rest[1]["string"]))
                    rest.popleft()
                    rest.popleft()
                case "flag":
                    parts.append(self._literal(found["string"], found["flag"]))
                case "flags":
                    parts.append(self._pattern(found["regex"][1:-1], found["flags"]))
                case "import":
                    parts.append(self._imported(found["name"], found["alias"] or found["name"]))
                case "imports":
                    parts += [
                        f"{self._imported(name, name)}\n" for name in re.findall("[A-Z_]+", found["names"])
                    ]
                case "word":
                    parts.append(self._name(found[0]))
                case "times" if any(int(each[:9]) > _MOST_TIMES for each in _NUMBER.findall(found[0])):
                    raise NotKnown("a part that is repeated too often")
                case "range":
                    raise NotKnown("a range")
                case _:
                    parts.append(found[0])
        return " ".join(parts)

    def _name(self, name: str) -> str:
        """Of a rule, or of a terminal as it is here: no rule of a client's has a hyphen."""
        is_rule = self._whole or name.lstrip("?!_")[:1].islower()
        return name if is_rule else f"terminal-{name.lower()}"

    def _imported(self, name: str, alias: str) -> str:
        if name not in _COMMON:
            raise NotKnown(f"the terminal '{name}'")
        return f"{self._name(alias)}: {self.written(list(_tokens(_TOKEN, _COMMON[name])))}"

    def _range(self, first: str, last: str) -> str:
        ends = _text(first), _text(last)
        if any(len(end) != 1 for end in ends):
            raise NotKnown("a range of texts")
        inner = "-".join(re.escape(end).replace("/", "\\/") for end in ends)
        return self._one_of(_Set(inner))

    def _literal(self, literal: str, flag: str) -> str:
        text = _text(literal)
        escaped = json.dumps(text, ensure_ascii=False)[1:-1]
        if escaped == text or (self._whole and not flag):
            return json.dumps(escaped, ensure_ascii=False) + flag
        if flag:
            raise NotKnown("a text with escapes in any case")
        pieces = re.findall(r"\\(?:u....|.)|[^\\]+", escaped)
        return f"({' '.join(json.dumps(piece, ensure_ascii=False) for piece in pieces)})"

    def _pattern(self, pattern: str, flags: str) -> str:
        """A regular expression, or rules of the same meaning."""
        if flags.strip("s") or size(pattern) > _LARGEST_PATTERN:
            raise NotKnown("the flags or the size of a pattern")
        parts = list(_tokens(_REGEX, pattern))
        sets = [_set_of(part, sees_breaks=bool(flags)) for part in parts]
        if self._whole or not any(each and each.escapes for each in sets):
            return f"/{''.join(each.plain if each else part[0] for each, part in zip(sets, parts, strict=True))}/"
        inner = parts[1:-1] if len(parts) > 2 and parts[0]["open"] and parts[-1][0] == ")" else parts
        some = sets[parts.index(inner[0])]
        if some is not None and len(inner) == 2 and inner[1][0] in ("+", "*"):
            run = f"/{some.plain}+/ | {some.escaped}" if some.holds_plain else some.escaped
            return f"({run}){inner[1][0]}"
        # Each character is a terminal now: of an endless number of them the library makes too much for a large
        # vocabulary.
        for atom, part in zip([None, *sets], parts, strict=False):
            if part["times"] and _UNBOUNDED.match(part[0]) and (atom is None or atom.escapes):
                raise NotKnown("a repetition within a pattern that has escapes in JSON")
        written = [
            self._one_of(each)
            if each
            else (part[0].rstrip("?") if part["times"] and part[0] != "?" else part[0])
            for each, part in zip(sets, parts, strict=True)
        ]
        return f"({' '.join(written).replace('(?:', '(')})"

    def _one_of(self, characters: "_Set") -> str:
        if self._whole or not characters.escapes:
            return f"/{characters.plain}/"
        return (
            f"(/{characters.plain}/ | {characters.escaped})" if characters.holds_plain else characters.escaped
        )


class _Set:
    """A set of characters, by what stands between its brackets."""

    def __init__(self, inner: str) -> None:
        if any(sign in inner for sign in ("&&", "--", "~~", "[:")):
            raise NotKnown("sets within sets")
        try:
            holds = re.compile(f"[{inner}]").fullmatch
        except re.error:
            raise NotKnown(f"the set [{inner[:20]}]") from None
        # Within a set, some readers take a bracket for a further set.
        self._inner = re.sub(r"\\.|\[", lambda found: found[0] if len(found[0]) > 1 else "\\[", inner)
        self.escapes = "".join(re.escape(letter) for letter, char in _SHORT.items() if holds(char))
        self.holds_plain = any(map(holds, _SAMPLE))
        if not self.holds_plain and not self.escapes:
            raise NotKnown(f"the set [{inner[:20]}]")

    @property
    def plain(self) -> str:
        """Those that are no escapes, as a pattern. Raises NotKnown where there are none."""
        if not self.holds_plain:
            raise NotKnown(f"the set [{self._inner[:20]}]")
        return f"[[{self._inner}]&&{_PLAIN}]" if self._inner not in _SAMPLE else self._inner

    @property
    def escaped(self) -> str:
        return rf"/\\[{self.escapes}]/"


def _set_of(part: re.Match[str], *, sees_breaks: bool) -> _Set | None:
    """The characters that a part of a pattern stands for."""
    match part.lastgroup:
        case "dot":
            return _Set(r"\s\S" if sees_breaks else r"^\n")
        case "set":
            return _Set(part["set"])
        case "group" | "char":
            return _Set(part[0])
        case _:
            return None


def _text(literal: str) -> str:
    """What a literal of Lark means."""
    try:
        return str(json.loads(_STRING_ESCAPE.sub(r"\\u00\1", literal)))
    except ValueError:
        raise NotKnown(f"the text {literal[:20]}") from None
