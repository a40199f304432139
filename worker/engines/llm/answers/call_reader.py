"""Reads tool calls in a model's output, and shows text that only looks like a call.

This module knows where a call counts. Families and their way to write calls are in `formats`.
"""

from worker.engines.llm.formats.calls import Calls, Verdict
from worker.engines.llm.formats.family import Family
from worker.engines.llm.formats.parts import CONTENT, REASONING, Parts
from worker.engines.llm.formats.source import Source, Wait
from worker.engines.llm.formats.typed import Tools


class CallReader:
    """For one answer."""

    def __init__(self, source: Source, parts: Parts, tools: Tools, family: Family) -> None:
        self._source = source
        self._parts = parts
        self._tools = tools
        self._family = family

    def read(self, calls: Calls, start: int) -> Wait[None]:
        """Read a call behind the marker that begins at `start`; what is none is shown as content."""
        source, inner = self._source, self._source.pos
        verdict = yield from calls.read(source, self._tools, self._parts)
        if verdict is Verdict.READ:
            ends = 0
            while calls.end and not self._parts.full and (yield from source.take(calls.end)):
                ends += 1
            if calls.end and not self._parts.full and not ends and source.cut:
                # Text that was cut belongs to the call.
                source.pos = len(source.text)
            return
        if source.cut:
            # The text ended before it was certain: the beginning of a call is no content.
            source.pos = len(source.text)
            return
        source.pos = inner
        if verdict is Verdict.NONE:
            source.pos = start
            self._parts.show(CONTENT, inner)
        elif calls.end:
            # A broken call: its markers are left out.
            end = yield from source.find(calls.end, inner)
            stop = end if end >= 0 else len(source.text)
            source.pos = yield from source.solid(inner)
            self._parts.show(CONTENT, inner + len(source.text[inner:stop].rstrip()))
            source.pos = end + len(calls.end) if end >= 0 else stop

    def read_in_reasoning(self, calls: Calls, start: int) -> Wait[bool]:
        """Read a call before the reasoning has ended: it counts, and is shown, if the answer ends with it.

        What does not count is shown as reasoning. Returns whether it counts.
        """
        source, inner = self._source, self._source.pos
        opened = self._parts.set_aside()
        verdict = yield from calls.read(source, self._tools, self._parts)
        if verdict is Verdict.READ:
            yield from source.take(calls.end)
            place = yield from source.solid(source.pos)
            found = place < len(source.text) and (yield from source.at_any(self._family.calls, place))
            rest = source.text[place:]
            begun = source.cut and any(each.startswith(rest) for each in (calls.end, *self._family.calls))
            if not rest or found or begun:
                self._parts.accept()
                return True
        self._parts.drop(opened)
        source.pos = start
        self._parts.show(REASONING, inner)
        return False
