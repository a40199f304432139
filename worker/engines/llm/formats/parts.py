"""The certain parts of an answer: content, reasoning and calls, and the white space between them.

This module knows what is sent of a text whose kind is known. It does not search for markers.
"""

from worker.engines.llm.formats.source import Source

CONTENT, REASONING = "content", "reasoning"
#: A call with its name, a piece of its arguments, its end.
CALL, ARGUMENTS, CLOSED = "call", "arguments", "closed"

#: What a text is, the text, and the number of its first character in all that the model wrote; -1 where it is not
#: the model's.
Part = tuple[str, str, int]

#: Separator of two messages of the same kind in one answer.
_GAP = "\n\n"


class Parts:
    """Collects the parts of a source. Readers of calls report here."""

    def __init__(self, source: Source, start: str, *, several: bool) -> None:
        self.shown = False
        self.opened = 0
        self._source = source
        self._several = several
        self._parts: list[Part] = []
        #: parts of a call that may not count
        self._aside: list[Part] | None = None
        #: white space that is shown only when something follows it
        self._space: dict[str, list[Part]] = {CONTENT: [], REASONING: []}
        self._begun = {CONTENT: start == CONTENT, REASONING: False}

    def take(self) -> list[Part]:
        """The parts so far."""
        parts, self._parts = self._parts, []
        return parts

    def end(self) -> list[Part]:
        """Trailing white space belongs to the content, unless it follows a call."""
        return self._space[CONTENT] if self._begun[CONTENT] and not self.opened else []

    @property
    def full(self) -> bool:
        """Whether no further call is wanted."""
        return not self._several and self.opened > 0

    @property
    def thought(self) -> bool:
        """Whether there has been reasoning."""
        return self._begun[REASONING]

    def open(self, name: str) -> None:
        """A call begins."""
        self.opened += 1
        self.content_begins_anew()
        self._put(CALL, name)

    def add(self, text: str) -> None:
        """A piece of its arguments."""
        if text:
            self._put(ARGUMENTS, text)

    def close(self) -> None:
        """The call ends."""
        self._put(CLOSED, "")

    def set_aside(self) -> int:
        """Hold the reported parts of calls until `accept` or `drop`. Returns the argument of `drop`."""
        self._aside = []
        return self.opened

    def accept(self) -> None:
        self._parts += self._aside or []
        self._aside = None

    def drop(self, opened: int) -> None:
        self._aside, self.opened = None, opened

    def show(self, kind: str, stop: int) -> None:
        """Pass the text up to `stop` on, without white space at its end, and none at the beginning of all."""
        source = self._source
        start, text = source.pos, source.text[source.pos : stop]
        source.pos = max(stop, start)
        if not self._begun[kind]:
            bare = text.lstrip()
            start, text = start + len(text) - len(bare), bare
        if not text:
            return
        self._begun[kind] = True
        shown, place = text.rstrip(), source.base + start
        if shown:
            self._parts += self._space[kind]
            self._parts.append((kind, shown, place))
            self._space[kind] = []
            self.shown = self.shown or kind == CONTENT
        if len(shown) < len(text):
            self._space[kind].append((kind, text[len(shown) :], place + len(shown)))

    def show_space(self) -> None:
        """Send held white space: it belongs to the content, whatever follows."""
        self._parts += self._space[CONTENT]
        self._space[CONTENT] = []

    def flows(self, kind: str) -> bool:
        """Whether text of this kind is passed on as it comes, if it does not end with white space."""
        return self._begun[kind] and not self._space[kind] and (self.shown or kind == REASONING)

    def gap(self, kind: str) -> None:
        """Another message of the same kind begins."""
        if self._begun[kind] and (self.shown or kind == REASONING):
            self._space[kind] = [(kind, _GAP, -1)]

    def reasoning_ends(self) -> None:
        self._space[REASONING] = []
        self.content_begins_anew()

    def content_begins_anew(self) -> None:
        """Content that begins behind reasoning or a call begins on a line of its own."""
        if not self.shown:
            self._begun[CONTENT], self._space[CONTENT] = False, []

    def _put(self, kind: str, text: str) -> None:
        parts = self._parts if self._aside is None else self._aside
        if kind == ARGUMENTS and parts and parts[-1][0] == ARGUMENTS:
            text = parts.pop()[1] + text
        parts.append((kind, text, -1))
