"""Calls whose arguments stand between tags, without quotation marks: Qwen3-Coder, GLM, MiniMax, DeepSeek V3.2, …

Values may contain any text, also tags: a closing tag counts only if the text after it can follow an argument, by the
tool's schema and by the tags that the value itself has opened. If the whole call is closed and text follows, both
readings are possible, and the last such place is taken.
"""

import json
from dataclasses import dataclass
from typing import Any

from worker.engines.llm.formats.calls import Report, Verdict, arguments
from worker.engines.llm.formats.source import Source, Wait, overlap
from worker.engines.llm.formats.strings import escaped
from worker.engines.llm.formats.typed import TEXT, UNTEXT, Kind, Tools


@dataclass(frozen=True, slots=True)
class Tagged:
    """`call` opens a call, with the text `first`, and `argument` an argument, each with its name in the group `name`.
    The group `text` of `argument` says whether the value is one. `section`: the markers around calls, if there are
    any. `lines`: values stand on lines of their own. `guess`: values of unknown types are JSON where they can be.
    `whole`: what may stand around all arguments as one JSON object.
    """

    call: Any
    first: str
    call_end: str
    argument: Any
    argument_end: str
    section: tuple[str, str] = ("", "")
    lines: bool = False
    guess: bool = True
    whole: tuple[Any, str] | None = None

    def __call__(self, source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
        verdict = Verdict.NONE
        while not report.full:
            yield from source.skip_space()
            found = yield from source.match(self.call, source.pos)
            if found is None:
                return verdict
            if (name := found["name"].strip()) not in tools:
                return verdict if verdict is Verdict.READ else Verdict.BROKEN
            source.pos = found.end()
            report.open(name)
            yield from _Call(self, source, tools, report, name).read()
            report.close()
            verdict = Verdict.READ
        return verdict


class _Call:
    """One call, from after its opening tag to after its closing one."""

    def __init__(self, tags: Tagged, source: Source, tools: Tools, report: Report, name: str) -> None:
        self._tags, self._source, self._tools, self._report = tags, source, tools, report
        self._name = name
        self._given: set[str] = set()
        #: start of the current value
        self._begun = 0
        #: possible end of the call, while the end of its last argument is uncertain
        self._closed = 0
        #: whether the text was cut at such a place
        self._unsure = False

    def read(self) -> Wait[None]:
        tags, source, report = self._tags, self._source, self._report
        yield from source.skip_space()
        if tags.whole is not None and (found := (yield from source.match(tags.whole[0], source.pos))):
            source.pos = found.end()
            yield from arguments(source, report, (tags.whole[1],))
            yield from source.take(tags.whole[1])
            yield from source.take(tags.call_end)
            return
        report.add("{")
        while (found := (yield from self._argument())) is not None:
            argument = found["name"].strip()
            source.pos = found.end()
            report.add((", " if self._given else "") + json.dumps(argument, ensure_ascii=False) + ": ")
            self._given.add(argument)
            if not (yield from self._value(self._kind(argument, found))):
                return
        if (yield from source.take(tags.call_end)) or not source.cut:
            report.add("}")

    def _argument(self) -> Wait[Any]:
        """The opening tag of an argument, if one follows."""
        place = yield from self._source.solid(self._source.pos)
        return (yield from self._source.match(self._tags.argument, place))

    def _kind(self, argument: str, found: Any) -> Kind:
        said = found.groupdict().get("text")
        if said is None:
            return self._tools.kind(self._name, argument)
        return TEXT if said in ("true", "string") else UNTEXT

    def _value(self, kind: Kind) -> Wait[bool]:
        """One value and its closing tag; False where the text ends in it."""
        tags, source = self._tags, self._source
        if tags.lines and (yield from source.at("\n", source.pos)):
            source.pos += 1
        if kind.structured and (yield from source.char((yield from source.solid(source.pos)))) in ("{", "["):
            return (yield from self._structure())
        end, marker = tags.argument_end, tags.argument_end
        if (yield from source.at("<![CDATA[", source.pos)):
            source.pos += len("<![CDATA[")
            marker = "]]>" + end
        self._begun = source.pos
        text = _Text(source, self._report, kind, tags)
        candidate, length, scan = -1, 0, source.pos
        while True:
            place, closing = self._closing(marker, scan)
            if candidate < 0:
                text.show(place, (marker, tags.call_end))
            elif self._next_call(candidate + length, place):
                break
            if place is None:
                if source.ended:
                    break
                scan = max(scan, len(source.text) - max(len(marker), len(tags.call_end)) + 1)
                yield
                continue
            verdict = yield from self._closes(place + closing, bare=not closing)
            if self._unsure:
                break
            if verdict is not False:
                candidate, length = place, closing
            if verdict:
                break
            scan = place + (closing or len(tags.call_end)) if verdict is False else self._closed
        if candidate < 0:
            text.break_off()
            return False
        text.finish(candidate)
        source.pos = candidate + length
        return True

    def _structure(self) -> Wait[bool]:
        """An object or a list, which ends at its closing bracket."""
        tags, source = self._tags, self._source
        yield from arguments(source, self._report, (tags.argument_end, tags.call_end))
        if source.pos >= len(source.text) and source.cut:
            return False
        yield from source.take(tags.argument_end)
        return True

    def _closing(self, marker: str, start: int) -> tuple[int | None, int]:
        """The next place that may end the value, and the length of its tag: a call may end without one."""
        text = self._source.text
        places = [
            (place, length)
            for place, length in (
                (text.find(marker, start), len(marker)),
                (text.find(self._tags.call_end, start), 0),
            )
            if place >= 0
        ]
        return min(places, default=(None, 0))

    def _closes(self, place: int, *, bare: bool) -> Wait[bool | None]:
        """Whether the next text ends an argument; None: possibly. `bare`: it has no closing tag of its own."""
        tags, source = self._tags, self._source
        start, end = tags.section
        ended, place = place, (yield from source.solid(place))
        found = None if bare else (yield from source.match(tags.argument, place))
        if found is not None:
            return self._follows(found["name"].strip(), ended)
        closed = yield from source.at(tags.call_end, place)
        if closed:
            place = yield from source.solid(place + len(tags.call_end))
            self._closed = place
        ends = end != "" and (yield from source.at(end, place))
        if place >= len(source.text) or (source.cut and not ends and end.startswith(source.text[place:])):
            self._unsure = source.cut and not (closed and not end)
            return None if source.cut else True
        if ends:
            closed = True
            place = yield from source.solid(place + len(end))
            if place >= len(source.text):
                return None if source.cut else True
            self._closed = place
            if (yield from source.at(start, place)):
                place += len(start)
        elif bare:
            return False
        if not closed:
            return False
        found = yield from source.match(tags.call, place)
        if found is not None and found["name"].strip() in self._tools:
            return True
        return None

    def _follows(self, argument: str, place: int) -> bool:
        """Whether an argument of this name can follow a value that ends before `place`."""
        if self._tools.names(self._name, argument) and argument not in self._given:
            return True
        # An invented name, unless the value itself has opened the tag that closes here.
        value = self._source.text[self._begun : place]
        opened = len(self._tags.argument.findall(value))
        return not self._tools.closed(self._name) and opened < value.count(self._tags.argument_end)

    def _next_call(self, start: int, stop: int | None) -> bool:
        """Whether another call of one of the tools begins in the text between two places."""
        text, first = self._source.text, self._tags.first
        while (start := text.find(first, start, stop)) >= 0:
            found = self._tags.call.match(text, start)
            if found is not None and found["name"].strip() in self._tools:
                return True
            start += len(first)
        return False


class _Text:
    """A value while it is read: strings are passed on piece by piece, others when they are complete."""

    def __init__(self, source: Source, report: Report, kind: Kind, tags: Tagged) -> None:
        self._source, self._report, self._kind, self._tags = source, report, kind, tags
        self._start = self._shown = source.pos
        #: None: not yet known
        self._streams: bool | None = None

    def show(self, stop: int | None, markers: tuple[str, ...]) -> None:
        """Pass on the certain text of the value: up to `stop`, or up to a possible marker."""
        source, text = self._source, self._source.text
        if stop is None:
            if source.cut:
                return
            stop = len(text)
            if not source.ended:
                stop -= max(overlap(text, marker, self._shown) for marker in markers)
        if self._tags.lines and stop > self._shown and text[stop - 1] == "\n":
            stop -= 1
        if self._streams is None:
            self._streams = self._decide(text[self._start : stop])
            if self._streams:
                self._report.add('"')
        if self._streams and stop > self._shown:
            self._report.add(escaped(text[self._shown : stop]))
            self._shown = stop

    def finish(self, stop: int) -> None:
        text = self._source.text[self._start : stop]
        if self._tags.lines:
            text = text.removesuffix("\n")
        if self._streams:
            self._report.add(escaped(text[self._shown - self._start :]) + '"')
        else:
            self._report.add(self._kind.json(text, guess=self._tags.guess))

    def break_off(self) -> None:
        """The text has ended within the value: a string stays open, another value is left out."""
        self._source.pos = len(self._source.text)
        if self._streams and not self._source.cut:
            self._report.add(escaped(self._source.text[self._shown :]))

    def _decide(self, text: str) -> bool | None:
        """Whether the value is a string; None while that is open."""
        begun = text.strip()
        if self._kind.text:
            open_ = "null" in self._kind.types and ("null".startswith(begun) or "None".startswith(begun))
            return None if open_ else True
        if not self._kind.types and not self._tags.guess:
            return begun[0] not in "{[" if begun else None
        return False
