"""The input of a custom tool, read from arguments that grow: the text in `{"input": "…"}`, piece by piece."""

import re

import orjson

_START = re.compile(r'\s*\{\s*"input"\s*:\s*"')
#: An escape that may not be whole yet, at the end of what was read; a surrogate needs its other half.
_OPEN_ESCAPE = re.compile(
    r"\\(?:u[0-9a-fA-F]{0,3}|u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?$"
)
_STRING = re.compile(r'(?:[^"\\]|\\.)*', re.DOTALL)


class CustomInput:
    """`add` pieces of the arguments; each returns what of the input is new. `whole` is the input at the end."""

    def __init__(self) -> None:
        self._arguments = ""
        #: where in the arguments the next unread character of the input is; -1 before its start
        self._at = -1
        self._ended = False
        self._told: list[str] = []

    def add(self, piece: str) -> str:
        self._arguments += piece
        if self._at < 0:
            if (found := _START.match(self._arguments)) is None:
                return ""
            self._at = found.end()
        if self._ended:
            return ""
        found = _STRING.match(self._arguments, self._at)
        assert found is not None
        end = found.end()
        self._ended = self._arguments[end : end + 1] == '"'
        raw = self._arguments[self._at : end]
        if not self._ended and (escape := _OPEN_ESCAPE.search(raw)) and _is_escape(raw, escape.start()):
            raw = raw[: escape.start()]
        self._at += len(raw)
        text = _decoded(raw)
        if text:
            self._told.append(text)
        return text

    def rest(self) -> str:
        """What is missing at the end: all of the arguments, where they are no object with a text."""
        if self._at >= 0:
            return ""
        whole = input_of(self._arguments)
        self._told.append(whole)
        return whole

    @property
    def whole(self) -> str:
        return "".join(self._told)


def input_of(arguments: str) -> str:
    """The input in whole arguments; the arguments themselves where they have none."""
    reader = CustomInput()
    reader.add(arguments)
    if reader._at >= 0:
        return reader.whole
    try:
        found = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    text = found.get("input") if isinstance(found, dict) else None
    return text if isinstance(text, str) else arguments


def _is_escape(raw: str, place: int) -> bool:
    """Whether the backslash there begins an escape: an even number of them comes before."""
    before = len(raw[:place]) - len(raw[:place].rstrip("\\"))
    return before % 2 == 0


def _decoded(raw: str) -> str:
    if "\\" not in raw:
        return raw
    try:
        text: str = orjson.loads(f'"{raw}"')
    except orjson.JSONDecodeError:
        # Models write line breaks as they are, and escapes that JSON does not know.
        return raw.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"').replace("\\\\", "\\")
    return text
