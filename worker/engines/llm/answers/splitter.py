"""Splits a model's output into content, reasoning and tool calls, and removes the markers.

This module knows where markers count. Families and their calls are in `formats`; what is sent of a text is in
`parts`.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from worker.engines.llm.answers.call_reader import CallReader
from worker.engines.llm.formats.bracketed import Pythonic
from worker.engines.llm.formats.calls import Verdict, arguments, bare
from worker.engines.llm.formats.channels import ENDS, HEADER, HEADERS, Message
from worker.engines.llm.formats.family import Family, Markers
from worker.engines.llm.formats.family import markers as markers_of
from worker.engines.llm.formats.parts import CONTENT, REASONING, Part, Parts
from worker.engines.llm.formats.source import Source, Wait
from worker.engines.llm.formats.typed import Tools

__all__ = ["CONTENT", "REASONING", "Splitter"]

#: Calls in Python at the start of the content.
_BARE_LIST = Pythonic(listed=True)


class Splitter:
    """Feed it text as it is generated; it returns the parts that are certain.

    The arguments of a call come in pieces of JSON text, which are JSON together unless the answer was cut.
    """

    def __init__(
        self,
        family: Family,
        start: str = CONTENT,
        tools: Tools | None = None,
        *,
        several: bool = True,
        held: bool = False,
        begun: bool = False,
    ) -> None:
        """`start`: what comes first, as the prompt left it. Without tools there are no calls. `several`: whether more
        than one call is wanted. `held`: content obeys a grammar; once begun, no marker in it counts. `begun`: the
        prompt holds the beginning of the content.
        """
        self.state = start
        #: whether only content follows: then feeding it may be skipped
        self.plain = False
        #: start and end of each reasoning in the text, without markers; the last may have no end yet
        self.thought: list[list[int]] = []
        self._family = family
        self._tools = tools if tools else None
        self._held = held
        self._source = Source()
        self._parts = Parts(self._source, start, several=several)
        self._calls = CallReader(self._source, self._parts, self._tools or _NO_TOOLS, family)
        self._parts.shown = begun and start == CONTENT
        #: while nothing is held back: the kind of the text, and the search for a marker in it
        self._quick: tuple[str, Callable[[str], Any]] | None = None
        self._run = self._read(start)
        next(self._run)

    def feed(self, text: str) -> list[Part]:
        source = self._source
        if self.plain:
            place, source.base = source.base, source.base + len(text)
            return [(CONTENT, text, place)] if text else []
        quick = self._quick
        if quick is not None and text and not text[-1].isspace() and quick[1](text) is None:
            place, source.base = source.base, source.base + len(text)
            return [(quick[0], text, place)]
        source.text += text
        return self._go_on()

    def finish(self, *, cut: bool = False) -> list[Part]:
        """Return what was held back, at the end of the text. `cut`: the end is that of max_tokens."""
        self._source.ended, self._source.cut = True, cut
        return [] if self.plain else self._go_on() + self._parts.end()

    def _go_on(self) -> list[Part]:
        with suppress(StopIteration):
            self._run.send(None)
        return self._parts.take()

    def _read(self, start: str) -> Wait[None]:
        yield
        family = self._family
        if family.channels:
            yield from self._messages(start)
            return
        if start == REASONING:
            yield from self._reasoning(tuple(family.thinking.values()))
        yield from self._content()

    def _messages(self, start: str) -> Wait[None]:
        """Messages with headers. Text without a header is content."""
        source = self._source
        if start == REASONING:
            yield from self._reasoning(ENDS)
        while not (source.ended and source.pos >= len(source.text)):
            header = yield from source.match(HEADER, source.pos)
            if header is None:
                if source.ended and (begun := HEADER.match(source.text, source.pos, partial=True)):
                    # An end marker, or a header that was cut.
                    source.pos = len(source.text) if begun.partial else begun.end()
                    continue
                if (yield from self._end_marker()):
                    continue
                if (yield from self._content()):
                    return
                continue
            source.pos = header.end()
            message = Message.of(header, self._tools or _NO_TOOLS)
            if message.tool is not None and not self._parts.full:
                yield from self._message_call(message)
            elif message.thought:
                self._parts.gap(REASONING)
                yield from self._reasoning(ENDS)
            else:
                self._parts.gap(CONTENT)
                if (yield from self._content()):
                    return

    def _end_marker(self) -> Wait[bool]:
        """Read an end marker that no header follows."""
        source = self._source
        place = yield from source.solid(source.pos)
        for marker in ENDS:
            if (yield from source.at(marker, place)):
                source.pos = place + len(marker)
                return True
        return False

    def _message_call(self, message: Message) -> Wait[None]:
        source = self._source
        char = yield from source.skip_space()
        if char == "{" or (message.certain and (not char or (yield from source.at_any(ENDS, source.pos)))):
            self._parts.open(message.tool or "")
            if char == "{":
                yield from arguments(source, self._parts, ENDS)
            elif not source.cut:
                self._parts.add("{}")
            self._parts.close()
        elif (yield from self._content()):
            return

    def _content(self) -> Wait[bool]:
        """Content with calls, after reasoning. True at the end of the text, False at the end of a message."""
        source, family = self._source, self._family
        markers = family.without_tools if self._tools is None else family.with_tools
        while True:
            if not self._parts.shown and (yield from self._beginning()):
                continue
            if self._parts.shown and self._tools is None and not family.frames and not family.channels:
                self._pass_on()
            if self.plain:
                return True
            found = markers.search(source.text, source.pos)
            if found is not None:
                self._parts.show(CONTENT, found.start())
                if found[0] in ENDS and family.channels:
                    if found[0] not in HEADERS:
                        source.pos = found.end()
                    return False
                source.pos = found.end()
                if found[0] not in family.frames:
                    yield from self._calls.read(family.calls[found[0]], found.start())
                    if self._parts.full:
                        yield from self._rest()
                source.forget()
                continue
            whole = source.ended and not (source.cut and self._parts.opened)
            self._parts.show(
                CONTENT, len(source.text) - (0 if whole else markers.held(source.text, source.pos))
            )
            if source.ended:
                return True
            yield from self._more(CONTENT, markers)

    def _more(self, kind: str, markers: Markers) -> Wait[None]:
        """Wait for more text of a kind; text in which no marker can begin is passed through quickly."""
        self._source.forget()
        if not self._source.text and self._parts.flows(kind):
            self._quick = (kind, markers.begin)
        yield
        self._quick = None

    def _rest(self) -> Wait[None]:
        """Skip the rest of the text."""
        source = self._source
        while not source.ended:
            source.pos = len(source.text)
            source.forget()
            yield
        source.pos = len(source.text)

    def _beginning(self) -> Wait[bool]:
        """Reasoning and calls without a marker, at the start of the content. True where one was read."""
        source, family = self._source, self._family
        place = yield from source.solid(source.pos)
        char = source.text[place : place + 1]
        if not char:
            return False
        # There is one reasoning: after it a marker is text.
        for start, end in () if self._parts.thought else family.thinking.items():
            if start[0] == char and (yield from source.at(start, place)):
                source.pos = place + len(start)
                yield from self._reasoning((end,))
                return True
        for end in family.thinking.values():
            # It ends what the prompt or the model itself has ended before.
            if end[0] == char and (yield from source.at(end, place)):
                source.pos = place + len(end)
                self._parts.content_begins_anew()
                return True
        if self._held:
            for start in family.calls if self._tools is not None else ():
                if start[0] == char and (yield from source.at(start, place)):
                    return False
            self._pass_on()
        elif self._tools is not None and char in "[{`" and not self._parts.opened:
            begin, source.pos = source.pos, place
            verdict = yield from bare(source, self._tools, self._parts)
            if verdict is not Verdict.READ and char in "[`":
                source.pos = place
                verdict = yield from _BARE_LIST(source, self._tools, self._parts)
            if verdict is Verdict.READ:
                if self._parts.full:
                    yield from self._rest()
                return True
            source.pos = begin
        elif self._tools is None and not family.frames and not family.channels:
            self._pass_on()
        return False

    def _pass_on(self) -> None:
        """Only content follows."""
        source = self._source
        self._parts.show(CONTENT, len(source.text))
        self._parts.show_space()
        source.forget()
        self.plain = True

    def _reasoning(self, ends: tuple[str, ...]) -> Wait[None]:
        """Reasoning up to one of its ends, or up to a call at the end of the answer."""
        source = self._source
        self.state = REASONING
        self.thought.append([source.base + source.pos])
        called = () if self._tools is None or self._family.channels else tuple(self._family.calls)
        markers = markers_of(*ends, *called)
        while True:
            found = markers.search(source.text, source.pos)
            if found is not None:
                self._parts.show(REASONING, found.start())
                source.pos = found.end()
                if found[0] in ends:
                    if found[0] in HEADERS:
                        source.pos = found.start()
                    self._end_reasoning(source.base + found.start())
                    return
                place, calls = source.base + found.start(), self._family.calls[found[0]]
                if (yield from self._calls.read_in_reasoning(calls, found.start())):
                    self._end_reasoning(place)
                    return
                continue
            self._parts.show(
                REASONING, len(source.text) - (0 if source.ended else markers.held(source.text, source.pos))
            )
            if source.ended:
                self._end_reasoning(source.base + source.pos)
                return
            yield from self._more(REASONING, markers)

    def _end_reasoning(self, place: int) -> None:
        self.thought[-1].append(place)
        self.state = CONTENT
        self._parts.reasoning_ends()


_NO_TOOLS = Tools([])
