"""The interface of readers of calls, and the reader of calls that are one JSON object each.

A reader starts after a family's marker, or where a call without a marker is possible. It returns a Verdict; only a
reader that returns READ has reported calls.
"""

import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import regex

from worker.engines.llm.formats.near_json import NearJson, read_all
from worker.engines.llm.formats.source import Source, Wait
from worker.engines.llm.formats.typed import Tools

_NAMES = frozenset({"name", "tool_name", "function", "function_name", "tool"})
_ARGUMENTS = frozenset({"arguments", "parameters", "args"})
_FENCE = regex.compile(r"\s*```(?:json|xml|tool_call)?(?=\W)")


class Verdict(Enum):
    #: calls have been read
    READ = auto()
    #: it looks like a call, but not of one of the tools
    BROKEN = auto()
    #: it is no call
    NONE = auto()


class Report(Protocol):
    """Receives calls while they are read: opened when the name is certain, then JSON text, then closed."""

    @property
    def full(self) -> bool:
        """Whether no further call is wanted."""

    def open(self, name: str) -> None: ...

    def add(self, text: str) -> None: ...

    def close(self) -> None: ...


class Reader(Protocol):
    def __call__(self, source: Source, tools: Tools, report: Report) -> Wait[Verdict]: ...


@dataclass(frozen=True, slots=True)
class Calls:
    """A format of calls: the markers that start them, the marker that ends them, and the reader between."""

    starts: tuple[str, ...]
    end: str
    read: Reader


def arguments(source: Source, report: Report, ends: tuple[str, ...] = (), quote: str = "") -> Wait[None]:
    """The arguments of an opened call: an object in JSON or near JSON. Unreadable text is left unchanged."""
    if (yield from NearJson(source, report.add, ends, quote).value()) or source.cut:
        return
    # The client sees that they are incomplete.
    start, stop = source.pos, -1
    for end in ends:
        place = yield from source.find(end, start)
        stop = place if stop < 0 else min(place, stop)
    while stop < 0 and not source.ended:
        yield
    source.pos = stop if stop >= 0 else len(source.text)
    report.add(source.text[start : source.pos])


def objects(*ends: str) -> Reader:
    """A reader of `{"name", "arguments"}`, one or several, in a list or not."""

    def read(source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
        return (yield from _fenced(source, tools, report, ends))

    return read


def bare(source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
    """Objects without a marker: certain when name and arguments have been read."""
    verdict = yield from _fenced(source, tools, report, (), bare=True)
    return verdict if verdict is Verdict.READ else Verdict.NONE


def _fenced(
    source: Source, tools: Tools, report: Report, ends: tuple[str, ...], *, bare: bool = False
) -> Wait[Verdict]:
    """Objects that may be fenced as code."""
    fence = yield from source.match(_FENCE, source.pos)
    if fence is None:
        return (yield from _objects(source, tools, report, ends, bare))
    source.pos = fence.end()
    verdict = yield from _objects(source, tools, report, ("```", *ends), bare)
    if verdict is Verdict.READ:
        yield from source.take("```")
    return verdict


def _objects(
    source: Source, tools: Tools, report: Report, ends: tuple[str, ...], bare: bool
) -> Wait[Verdict]:
    listed = yield from source.take("[")
    verdict = Verdict.NONE
    while (yield from source.skip_space()) == "{":
        source.pos += 1
        one = yield from _Object(source, tools, report, ends, bare).read()
        if one is not Verdict.READ:
            return verdict if verdict is Verdict.READ else one
        verdict = Verdict.READ
        if report.full:
            return verdict
        while (yield from source.skip_space()) in tuple("},;"):
            source.pos += 1
    if verdict is Verdict.READ and listed:
        yield from source.take("]")
    return verdict


class _Object:
    """One call as an object. Arguments that come before the name are held until the name is read."""

    def __init__(
        self, source: Source, tools: Tools, report: Report, ends: tuple[str, ...], bare: bool
    ) -> None:
        self._source, self._tools, self._report = source, tools, report
        self._ends, self._bare = ends, bare
        self._name: str | None = None
        self._waiting: str | None = None
        #: other members: arguments, where the object has none by that name
        self._others: dict[str, str] = {}
        self._done = False

    def read(self) -> Wait[Verdict]:
        """Read from after the opening brace to after the closing one."""
        source, depth = self._source, 1
        while depth:
            char = yield from source.skip_space()
            if not char:
                break
            if char in "},":
                source.pos += 1
                depth -= char == "}"
                continue
            if self._done and (yield from self._at_end()):
                break
            key = yield from self._string()
            if key is None or not (yield from source.take(":")):
                return self._broken_off()
            char = yield from source.skip_space()
            if char == "{" and key == "function" and self._name is None:
                source.pos += 1
                depth += 1
                continue
            if not (yield from self._member(key, char)):
                return self._broken_off()
        return self._end()

    def _broken_off(self) -> Verdict:
        """What comes can't be read, if more comes at all."""
        source = self._source
        if source.cut and self._name is not None:
            source.pos = len(source.text)
        if self._done or (source.ended and self._name is not None):
            return self._end()
        return Verdict.BROKEN

    def _member(self, key: str, char: str) -> Wait[bool]:
        if key in _NAMES and self._name is None and char in ("'", '"'):
            name = yield from self._string()
            if name is None or name not in self._tools:
                return False
            self._name = name
        elif key in _ARGUMENTS and not self._done and self._waiting is None:
            return (yield from self._arguments(char))
        elif key in self._tools and char == "{" and self._name is None:
            self._name = key
            return (yield from self._arguments(char))
        elif self._bare and self._name is None and self._waiting is None and key not in ("type", "id"):
            return False
        else:
            written: list[str] = []
            whole = yield from NearJson(self._source, written.append, self._ends, inside="}").value()
            self._others[key] = "".join(written)
            return whole
        return True

    def _arguments(self, char: str) -> Wait[bool]:
        source = self._source
        if char == "{" and self._name is not None:
            self._open()
            yield from arguments(source, self._report, self._ends)
            return True
        written: list[str] = []
        whole = yield from NearJson(source, written.append, self._ends, inside="}").value()
        if not whole and source.cut and self._name is not None:
            # Arguments as JSON text can be read only when they are complete.
            self._open()
            return True
        object_ = _as_object("".join(written)) if whole else None
        if object_ is None:
            return False
        if self._name is None:
            self._waiting = object_
        else:
            self._open()
            self._report.add(object_)
        return True

    def _end(self) -> Verdict:
        if self._name is None:
            return Verdict.BROKEN
        if not self._done:
            if self._bare and self._waiting is None and not self._source.cut:
                return Verdict.NONE
            self._open()
            cut = self._source.cut and self._waiting is None
            self._report.add("" if cut else self._waiting or self._flat())
        self._report.close()
        return Verdict.READ

    def _flat(self) -> str:
        """The arguments that stand beside the name."""
        known = self._tools.arguments(self._name or "")
        members = (f"{json.dumps(key)}: {text}" for key, text in self._others.items() if key in known)
        return "{" + ", ".join(members) + "}"

    def _open(self) -> None:
        assert self._name is not None
        self._report.open(self._name)
        self._done = True

    def _at_end(self) -> Wait[bool]:
        for end in self._ends:
            if end and (yield from self._source.at(end, self._source.pos)):
                return True
        return False

    def _string(self) -> Wait[str | None]:
        """A short string, decoded."""
        source = self._source
        char = yield from source.skip_space()
        if char not in ("'", '"'):
            return None
        written: list[str] = []
        if not (yield from _short_string(source, char, written)):
            return None
        try:
            value = json.loads("".join(written))
        except ValueError:
            return None
        return value if isinstance(value, str) else None


def _short_string(source: Source, quote: str, written: list[str]) -> Wait[bool]:
    """A string without quotation marks in it."""
    start = source.pos + 1
    place = start
    while True:
        char = yield from source.char(place)
        if not char:
            return False
        if char == "\\":
            place += 2
        elif char == quote:
            break
        else:
            place += 1
    inner = source.text[start:place]
    written.append(f'"{inner}"' if quote == '"' else json.dumps(inner))
    source.pos = place + 1
    return True


def _as_object(text: str) -> str | None:
    """Arguments as the JSON text of an object: they may be JSON text themselves, or null or empty."""
    try:
        value = json.loads(text)
        if isinstance(value, str):
            value = read_all(value) if value.strip() else None
    except (ValueError, RecursionError):
        return None
    if value is None or value == []:
        return "{}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else None
