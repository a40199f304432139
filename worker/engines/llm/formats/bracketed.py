"""Calls in the form of function calls: Python's of Llama 4 and LFM2, and Gemma's."""

import json
from dataclasses import dataclass

import regex

from worker.engines.llm.formats.calls import Report, Verdict, arguments
from worker.engines.llm.formats.near_json import NearJson
from worker.engines.llm.formats.source import Source, Wait
from worker.engines.llm.formats.typed import Tools

_CALL = regex.compile(r"\s*(?P<name>[A-Za-z_][\w.-]{0,127})\s{0,64}\(")
_KEYWORD = regex.compile(r"\s*(?P<name>\w+)\s*=(?!=)")
_GEMMA = regex.compile(r"\s*call:\s*(?P<name>[\w.-]{1,128})\s{0,64}(?=\{)")


@dataclass(frozen=True, slots=True)
class Gemma:
    """`call:NAME{key:value,…}`, strings between `quote`."""

    quote: str
    end: str

    def __call__(self, source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
        verdict = Verdict.NONE
        while not report.full:
            found = yield from source.match(_GEMMA, source.pos)
            if found is None:
                return verdict
            if found["name"] not in tools:
                return verdict if verdict is Verdict.READ else Verdict.BROKEN
            source.pos = found.end()
            report.open(found["name"])
            yield from arguments(source, report, (self.end,), self.quote)
            report.close()
            verdict = Verdict.READ
            yield from source.take(",")
        return verdict


@dataclass(frozen=True, slots=True)
class Pythonic:
    """`[name(key=value, …), …]`. `ends`: markers that may follow.

    `listed`: brackets are required, or a block of code as Gemma 3 writes it.
    """

    listed: bool = False
    ends: tuple[str, ...] = ()

    def __call__(self, source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
        fenced = yield from source.take("```tool_code")
        listed = yield from source.take("[")
        if self.listed and not (listed or fenced):
            return Verdict.NONE
        verdict = Verdict.NONE
        while not report.full:
            found = yield from source.match(_CALL, source.pos)
            if found is None:
                break
            name = _known(found["name"], tools)
            if name is None:
                return verdict if verdict is Verdict.READ else Verdict.BROKEN
            source.pos = found.end()
            report.open(name)
            yield from _Arguments(source, tools, report, name, self.ends).read()
            report.close()
            verdict = Verdict.READ
            while (yield from source.skip_space()) in tuple(",;"):
                source.pos += 1
        if verdict is Verdict.READ:
            yield from source.take("]" if listed else "")
            yield from source.take("```" if fenced else "")
        return verdict


def _known(name: str, tools: Tools) -> str | None:
    """The tool of a call, which may be written as a method: `name.call(…)`."""
    return next((each for each in (name, name.removesuffix(".call")) if each in tools), None)


class _Arguments:
    """The arguments between the brackets of one call."""

    def __init__(
        self, source: Source, tools: Tools, report: Report, name: str, ends: tuple[str, ...]
    ) -> None:
        self._source, self._report, self._ends = source, report, ends
        self._rest = tools.arguments(name)
        #: what stands around the next value, see NearJson
        self._inside = ""

    def read(self) -> Wait[None]:
        source, report = self._source, self._report
        report.add("{")
        first = True
        while True:
            char = yield from source.skip_space()
            if char in (")", ""):
                break
            if char == ",":
                source.pos += 1
                continue
            key = yield from self._key()
            if key is None:
                break
            report.add(("" if first else ", ") + json.dumps(key, ensure_ascii=False) + ": ")
            first = False
            if not (yield from NearJson(source, report.add, self._ends, inside=self._inside).value()):
                yield from self._leave()
                return
        if source.cut and source.pos >= len(source.text):
            return
        report.add("}")
        yield from source.take(")")

    def _key(self) -> Wait[str | None]:
        """The next keyword, or the name of the next parameter where there is none."""
        found = yield from self._source.match(_KEYWORD, self._source.pos)
        if found is None and self._source.cut:
            self._source.pos = len(self._source.text)
            return None
        self._inside = "" if found else "("
        if found is None:
            return self._rest.pop(0) if self._rest else None
        self._source.pos = found.end()
        if found["name"] in self._rest:
            self._rest.remove(found["name"])
        name: str = found["name"]
        return name

    def _leave(self) -> Wait[None]:
        """A value that cannot be read: the rest is shown unchanged."""
        source = self._source
        if source.cut:
            return
        places = []
        for end in self._ends:
            places.append((yield from source.find(end, source.pos)))
        while not self._ends and not source.ended:
            yield
        stop = min((place for place in places if place >= 0), default=len(source.text))
        self._report.add(source.text[source.pos : stop])
        source.pos = stop
