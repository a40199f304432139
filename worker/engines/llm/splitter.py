"""Splits what a model writes into content, reasoning and tool calls, without the markers between them.

It knows where markers count and what white space around them belongs to; families and their calls are in `formats`.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from worker.engines.llm.formats.bracketed import Pythonic
from worker.engines.llm.formats.calls import Calls, Verdict, arguments, bare
from worker.engines.llm.formats.channels import ENDS, HEADER, HEADERS, Message
from worker.engines.llm.formats.family import Family, Markers
from worker.engines.llm.formats.family import markers as markers_of
from worker.engines.llm.formats.source import Source, Wait
from worker.engines.llm.formats.typed import Tools

CONTENT, REASONING = "content", "reasoning"
#: A call with its name, a piece of its arguments, its end.
CALL, ARGUMENTS, CLOSED = "call", "arguments", "closed"

#: What a text is, the text, and the number of its first character in all that the model wrote; -1 where it is not
#: the model's.
Part = tuple[str, str, int]

#: What stands between two messages of the same kind in one answer.
_GAP = "\n\n"
_BARE_LIST = Pythonic(listed=True)


class Splitter:
    """Feed it text as it comes; it answers with the parts that are certain.

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
    ) -> None:
        """`start`: what comes first, as the prompt left it. Without tools there are no calls. `several`: whether more
        than one call is wanted. `held`: content obeys a grammar; once begun, no marker in it counts.
        """
        self.state = start
        #: where the text is nothing but content from here on: then feeding it may be left out
        self.plain = False
        #: where reasoning begins and ends in the text, markers not counted; the last may have no end yet
        self.thought: list[list[int]] = []
        self._family = family
        self._tools = tools if tools else None
        self._several, self._held = several, held
        self._source = Source()
        self._parts: list[Part] = []
        #: parts of a call that may turn out to be none
        self._aside: list[Part] | None = None
        self._opened = 0
        #: white space that is shown only when something follows it, and where it began
        self._space: dict[str, list[Part]] = {CONTENT: [], REASONING: []}
        self._begun = {CONTENT: start == CONTENT, REASONING: False}
        self._shown = False
        #: while nothing is held back: what the text is, and how a marker in it is found
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
        """What was held back, when no more text will come. `cut`: because of max_tokens."""
        self._source.ended, self._source.cut = True, cut
        parts = [] if self.plain else self._go_on()
        # White space at the end is the model's own, unless it belongs to a call.
        if self._begun[CONTENT] and not self._opened:
            parts += self._space[CONTENT]
        return parts

    # What readers of calls report.

    @property
    def full(self) -> bool:
        return not self._several and self._opened > 0

    def open(self, name: str) -> None:
        self._opened += 1
        if not self._shown:
            # Content that begins behind a call begins on a line of its own.
            self._begun[CONTENT], self._space[CONTENT] = False, []
        self._put(CALL, name)

    def add(self, text: str) -> None:
        if text:
            self._put(ARGUMENTS, text)

    def close(self) -> None:
        self._put(CLOSED, "")

    # The text from its beginning to its end.

    def _go_on(self) -> list[Part]:
        with suppress(StopIteration):
            self._run.send(None)
        parts, self._parts = self._parts, []
        return parts

    def _put(self, kind: str, text: str) -> None:
        parts = self._parts if self._aside is None else self._aside
        if kind == ARGUMENTS and parts and parts[-1][0] == ARGUMENTS:
            text = parts.pop()[1] + text
        parts.append((kind, text, -1))

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
        """Messages behind headers. What comes without one is content."""
        source = self._source
        if start == REASONING:
            yield from self._reasoning(ENDS)
        while not (source.ended and source.pos >= len(source.text)):
            header = yield from source.match(HEADER, source.pos)
            if header is None:
                if source.ended and (begun := HEADER.match(source.text, source.pos, partial=True)):
                    # An end, or a header that was cut.
                    source.pos = len(source.text) if begun.partial else begun.end()
                    continue
                if (yield from self._end_marker()):
                    continue
                if (yield from self._content()):
                    return
                continue
            source.pos = header.end()
            message = Message.of(header, self._tools or _NO_TOOLS)
            if message.tool is not None and not self.full:
                yield from self._message_call(message)
            elif message.thought:
                self._gap(REASONING)
                yield from self._reasoning(ENDS)
            else:
                self._gap(CONTENT)
                if (yield from self._content()):
                    return

    def _end_marker(self) -> Wait[bool]:
        """Read a marker of an end where no header stands behind it."""
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
        if char == "{" or (message.certain and (not char or (yield from self._at_any(ENDS)))):
            self.open(message.tool or "")
            if char == "{":
                yield from arguments(source, self, ENDS)
            elif not source.cut:
                self.add("{}")
            self.close()
        elif (yield from self._content()):
            return

    def _at_any(self, markers: tuple[str, ...]) -> Wait[bool]:
        for marker in markers:
            if (yield from self._source.at(marker, self._source.pos)):
                return True
        return False

    def _content(self) -> Wait[bool]:
        """Content with calls in it, reasoning before it. True at the end of all text, False at a message's."""
        source, family = self._source, self._family
        markers = family.without_tools if self._tools is None else family.with_tools
        while True:
            if not self._shown and (yield from self._beginning()):
                continue
            if self.plain:
                return True
            found = markers.search(source.text, source.pos)
            if found is not None:
                self._show(CONTENT, found.start())
                if found[0] in ENDS and family.channels:
                    if found[0] not in HEADERS:
                        source.pos = found.end()
                    return False
                source.pos = found.end()
                if found[0] not in family.frames:
                    yield from self._call(family.calls[found[0]], found.start())
                    if self.full:
                        yield from self._rest()
                source.forget()
                continue
            whole = source.ended and not (source.cut and self._opened)
            self._show(CONTENT, len(source.text) - (0 if whole else markers.held(source.text, source.pos)))
            if source.ended:
                return True
            yield from self._more(CONTENT, markers)

    def _more(self, kind: str, markers: Markers) -> Wait[None]:
        """Wait for more text of a kind, which needs no second look where no marker can begin in it."""
        self._source.forget()
        if (
            not self._source.text
            and self._begun[kind]
            and not self._space[kind]
            and (self._shown or kind == REASONING)
        ):
            self._quick = (kind, markers.begin)
        yield
        self._quick = None

    def _rest(self) -> Wait[None]:
        """Nothing more is wanted."""
        source = self._source
        while not source.ended:
            source.pos = len(source.text)
            source.forget()
            yield
        source.pos = len(source.text)

    def _beginning(self) -> Wait[bool]:
        """What only counts where content begins: reasoning, calls without a marker. True where there was some."""
        source, family = self._source, self._family
        place = yield from source.solid(source.pos)
        char = source.text[place : place + 1]
        if not char:
            return False
        for start, end in family.thinking.items():
            if start[0] == char and (yield from source.at(start, place)):
                source.pos = place + len(start)
                yield from self._reasoning((end,))
                return True
        if self._held:
            for start in family.calls if self._tools is not None else ():
                if start[0] == char and (yield from source.at(start, place)):
                    return False
            self._pass_on()
        elif self._tools is not None and char in "[{`" and not self._opened:
            begin, source.pos = source.pos, place
            verdict = yield from bare(source, self._tools, self)
            if verdict is not Verdict.READ and char == "[":
                source.pos = place
                verdict = yield from _BARE_LIST(source, self._tools, self)
            if verdict is Verdict.READ:
                if self.full:
                    yield from self._rest()
                return True
            source.pos = begin
        elif self._tools is None and not family.frames and not family.channels:
            self._pass_on()
        return False

    def _pass_on(self) -> None:
        """From here on there is only content."""
        source = self._source
        self._show(CONTENT, len(source.text))
        self._parts += self._space[CONTENT]
        self._space[CONTENT] = []
        source.forget()
        self.plain = True

    def _reasoning(self, ends: tuple[str, ...]) -> Wait[None]:
        """Reasoning up to one of its ends, or up to a call that nothing follows."""
        source = self._source
        self.state = REASONING
        self.thought.append([source.base + source.pos])
        calls = () if self._tools is None or self._family.channels else tuple(self._family.calls)
        markers = markers_of(*ends, *calls)
        while True:
            found = markers.search(source.text, source.pos)
            if found is not None:
                self._show(REASONING, found.start())
                source.pos = found.end()
                if found[0] in ends:
                    if found[0] in HEADERS:
                        source.pos = found.start()
                    self._end_reasoning(source.base + found.start())
                    return
                if (yield from self._call_in_reasoning(self._family.calls[found[0]], found.start())):
                    return
                continue
            self._show(
                REASONING, len(source.text) - (0 if source.ended else markers.held(source.text, source.pos))
            )
            if source.ended:
                self._end_reasoning(source.base + source.pos)
                return
            yield from self._more(REASONING, markers)

    def _end_reasoning(self, place: int) -> None:
        self.thought[-1].append(place)
        self.state = CONTENT
        self._space[REASONING] = []
        if not self._shown:
            # What follows the reasoning begins on a line of its own.
            self._begun[CONTENT] = False

    def _call(self, calls: Calls, start: int) -> Wait[None]:
        """A call behind the marker that begins at `start`; what is none is shown."""
        source, inner = self._source, self._source.pos
        verdict = yield from calls.read(source, self._tools or _NO_TOOLS, self)
        if verdict is Verdict.READ:
            if calls.end and not self.full and not (yield from source.take(calls.end)) and source.cut:
                # What has been cut belongs to the call.
                source.pos = len(source.text)
            return
        source.pos = inner
        if verdict is Verdict.NONE and not source.cut:
            source.pos = start
            self._show(CONTENT, inner)
        elif calls.end:
            # It was meant as a call: its markers are left out.
            end = yield from source.find(calls.end, inner)
            stop = end if end >= 0 else len(source.text)
            source.pos = yield from source.solid(inner)
            self._show(CONTENT, inner + len(source.text[inner:stop].rstrip()))
            source.pos = end + len(calls.end) if end >= 0 else stop

    def _call_in_reasoning(self, calls: Calls, start: int) -> Wait[bool]:
        """A call before the reasoning has ended counts if the answer ends with it; else it was only thought of."""
        source, inner = self._source, self._source.pos
        self._aside, opened = [], self._opened
        verdict = yield from calls.read(source, self._tools or _NO_TOOLS, self)
        last = source.pos
        if verdict is Verdict.READ:
            if calls.end:
                yield from source.take(calls.end)
            last = source.pos
            place = yield from source.solid(last)
            found = None
            if place < len(source.text):
                found = yield from self._marker_at(place)
            rest = source.text[place:]
            begun = source.cut and any(each.startswith(rest) for each in (calls.end, *self._family.calls))
            if not rest or found or begun:
                self._parts += self._aside
                self._aside = None
                self._end_reasoning(source.base + start)
                return True
        self._aside, self._opened = None, opened
        source.pos = start
        self._show(REASONING, inner)
        return False

    def _marker_at(self, place: int) -> Wait[bool]:
        for start in self._family.calls:
            if (yield from self._source.at(start, place)):
                return True
        return False

    # White space.

    def _gap(self, kind: str) -> None:
        """Another message of the same kind begins."""
        if self._begun[kind] and (self._shown or kind == REASONING):
            self._space[kind] = [(kind, _GAP, -1)]

    def _show(self, kind: str, stop: int) -> None:
        """Pass the text up to `stop` on, without white space at its end, and none at the beginning of all."""
        source = self._source
        start, text = source.pos, source.text[source.pos : stop]
        source.pos = max(stop, start)
        if not text:
            return
        if not self._begun[kind]:
            bare = text.lstrip()
            if not bare:
                return
            start, text = start + len(text) - len(bare), bare
            self._begun[kind] = True
        shown, place = text.rstrip(), source.base + start
        if shown:
            self._parts += self._space[kind]
            self._parts.append((kind, shown, place))
            self._space[kind] = []
        if len(shown) < len(text):
            self._space[kind].append((kind, text[len(shown) :], place + len(shown)))
        if shown and kind == CONTENT:
            self._shown = True


_NO_TOOLS = Tools([])
