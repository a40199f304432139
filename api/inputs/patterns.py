"""Regular expressions of schemas: rewrites look-aheads, and bounds the size of an automaton."""

import re

#: `^(?!…)rest` and `^(?=…)rest`.
_LEADING = re.compile(r"\^\(\?(?P<kind>[!=])")
#: A look-ahead for any text of certain characters, or for one without any other: what is left has some other.
_ONLY = re.compile(r"\^?(?P<set>\[(?:\\.|[^\]\\])+\]|\\[sSdDwW])[*+]?\$")
#: A character that stands for itself.
_CHAR = r"(?:[\w@:/ #-]|\\[^\w\s])"
#: … for a character anywhere, and for two.
_ANYWHERE = re.compile(
    r"\.\*(?P<set>\[(?:\\.|[^\]\\^])+\]|\\(?:[sSdDwW]|[^\w\s])|[^\\\[(.*+?{|^$])", re.UNICODE
)
_PAIR = re.compile(rf"\.\*(?P<one>{_CHAR})(?P<other>{_CHAR})", re.UNICODE)
_FIRST = re.compile(r"\^?(?P<set>\[(?:\\.|[^\]\\])+\]|\\[sSdDwW])")
_LITERAL = re.compile(rf"\^?(?P<text>{_CHAR}{{1,16}})", re.UNICODE)
#: Pydantic's: of a number with so many digits before its point and behind it, not more of both. `\d` or `[0-9]`.
_DIGITS = re.compile(
    r"\(\?=\[\\d\.\]\{1,(?P<both>\d+)\}0\*\$\)(?P<rest>\\d\{0,(?P<before>\d+)\}\\\.\\d\{0,(?P<behind>\d+)\}0\*\$)"
)
_REPEAT = re.compile(r"\{(\d+)(,)?(\d*)\}", re.ASCII)


def without_looks(pattern: str) -> list[str] | None:
    """Patterns without look-ahead that together say the same; None where that is not known."""
    if "(?!" not in pattern and "(?=" not in pattern and "(?<!" not in pattern and "(?<=" not in pattern:
        return [pattern]
    pattern = _DIGITS.sub(_settled, pattern)
    found: list[str] = []
    while (look := _LEADING.match(pattern)) is not None:
        end = _closing(pattern, look.end())
        inner = pattern[look.end() : end]
        said = "^" + inner.removeprefix("^") if look["kind"] == "=" else _negated(inner)
        if said is None or end < 0:
            return None
        found.append(said)
        pattern = "^" + pattern[end + 1 :]
    if re.search(r"\(\?<?[!=]", pattern):
        return None
    return [*found, pattern]


def size(pattern: str) -> int:
    """How many characters it has once every bounded repetition is written out; an upper bound."""
    sizes, last = [0], 0
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if repeat := _REPEAT.match(pattern, position):
            times = _count(repeat[3] or repeat[1])
            sizes[-1] += last * max(0, times - 1)
            last *= max(1, times)
            position = repeat.end()
            continue
        if char == "(":
            sizes.append(0)
        elif char == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        else:
            if char == "[":
                position = max(position, _end_of_set(pattern, position))
            elif char == "\\":
                position += 1
            last = 1
            sizes[-1] += 1
        position += 1
    return sum(sizes)


def _settled(found: "re.Match[str]") -> str:
    """Without a look-ahead that the rest implies."""
    both, before, behind = (_count(found[name]) for name in ("both", "before", "behind"))
    implied = before + behind + 1 <= both
    return found["rest"] if implied else found[0]


def _count(digits: str) -> int:
    """A number in a pattern; Python refuses to read those of thousands of digits."""
    return int(digits) if len(digits) < 10 else 10**9


def _negated(inner: str) -> str | None:
    if inner in ("$", "^$"):
        return "^(?s:.)"
    if only := _ONLY.fullmatch(inner):
        return _other(only["set"])
    if anywhere := _ANYWHERE.fullmatch(inner):
        return f"^{_other(anywhere['set'])}*$"
    if pair := _PAIR.fullmatch(inner):
        return _without(*(re.escape(each.removeprefix("\\")) for each in pair.groups()))
    if first := _FIRST.fullmatch(inner):
        return f"^(?:$|{_other(first['set'])})"
    if literal := _LITERAL.fullmatch(inner):
        return "^" + _not_beginning(re.sub(r"\\(.)", r"\1", literal["text"]))
    return None


def _without(one: str, other: str) -> str:
    """A text in which these two characters do not follow each other."""
    if one == other:
        return f"^(?:{one}?[^{one}])*{one}?$"
    return f"^(?:[^{one}]|{one}+[^{one}{other}])*{one}*$"


def _other(characters: str) -> str:
    """The complement of a set of characters."""
    if re.fullmatch(r"\\[sSdDwW]", characters):
        return "\\" + characters[1].swapcase()
    if not characters.startswith("["):
        return f"[^{characters}]"
    return "[" + characters[2:] if characters.startswith("[^") else "[^" + characters[1:]


def _not_beginning(text: str) -> str:
    """A text that ends early or differs somewhere from `text`."""
    rest = ""
    for char in reversed(text):
        safe = re.escape(char)
        rest = f"(?:$|[^{safe}]{f'|{safe}{rest}' if rest else ''})"
    return rest


def _closing(pattern: str, position: int) -> int:
    """Where the bracket ends that is open at a position; -1 if it does not."""
    depth = 1
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            position += 1
        elif char == "[":
            position = max(position, _end_of_set(pattern, position))
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                return position
        position += 1
    return -1


def _end_of_set(pattern: str, position: int) -> int:
    end = position + 1
    while end < len(pattern) and (pattern[end] != "]" or end == position + 1):
        end += 2 if pattern[end] == "\\" else 1
    return end
