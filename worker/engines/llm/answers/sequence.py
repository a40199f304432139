"""One answer while it is generated: from tokens to deltas.

Incomplete characters and possible stop strings are held back; markers of reasoning and calls are removed. This module
does not know where tokens come from.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any

from jobs.events import TokenLogprob
from jobs.results import Choice
from worker.engines.base import Delta
from worker.engines.llm.answers.logprobs import LogprobRecorder, TokenSpans
from worker.engines.llm.answers.splitter import Splitter
from worker.engines.llm.answers.stops import StopMatcher
from worker.engines.llm.answers.tools import ToolCalls
from worker.engines.llm.formats.parts import CALL, CLOSED, CONTENT, REASONING, Part
from worker.engines.llm.rows.row import Row, Token
from worker.engines.llm.rows.sampling import Guard


@dataclass(slots=True, eq=False)
class Sequence:
    """Feed it tokens until `reason` is set: stop, length or tool_calls."""

    task_id: str
    index: int
    detokenizer: Any
    stops: StopMatcher
    guard: Guard
    #: set where log-probabilities are requested
    recorder: LogprobRecorder | None = None
    splitter: Splitter | None = None
    calls: ToolCalls | None = None
    row: Row | None = None
    reason: str | None = None
    tokens: int = 0
    drafted_tokens: int = 0
    #: whether its log-probabilities are summed up, to choose among several answers
    scored: bool = False
    likelihood: float = 0.0
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    #: length of the text before each token, as long as some of it may be reasoning
    _starts: list[int] = field(default_factory=list)
    _length: int = 0
    _spans: TokenSpans = field(default_factory=TokenSpans)

    def feed(self, token: Token) -> list[Delta]:
        """Add a token. Raises the error that the guard has caught."""
        if self.guard.error is not None:
            raise self.guard.error
        self.tokens += 1
        self.drafted_tokens += token.drafted
        ended = token.reason is not None
        if token.reason != "stop":
            self.detokenizer.add_token(token.token)
            self._note(token)
        if ended:
            self.detokenizer.finalize()
        piece: str = self.detokenizer.last_segment
        splitter = self.splitter
        if splitter is not None and not splitter.plain:
            self._starts.append(self._length)
        self._length += len(piece)
        if self.recorder is not None:
            self._spans.reaches(self._length)
        deltas = self._show(piece)
        if self.stops.stopped or (self.calls is not None and self.calls.full):
            self.reason = "stop"
        elif ended:
            self.reason = token.reason
            deltas += self._finish()
        if self.reason == "stop" and self.calls is not None and self.calls.made:
            self.reason = "tool_calls"
        return deltas

    @property
    def reasoning_tokens(self) -> int:
        """The number of tokens of the reasoning, without its markers."""
        if self.splitter is None:
            return 0
        ends = [*self._starts[1:], self._length]
        count = 0
        for start, *closed in self.splitter.thought:
            end = closed[0] if closed else self._length
            count += max(0, bisect_left(self._starts, end) - bisect_right(ends, start))
        return count

    def result(self) -> Choice:
        """The choice as part of the job's result."""
        return Choice(
            index=self.index,
            text="".join(self.text),
            finish_reason=self.reason or "",
            stop=self.stops.found,
            reasoning="".join(self.reasoning) or None,
            tool_calls=(self.calls.made or None) if self.calls is not None else None,
            logprobs=None if self.recorder is None else self.logprobs,
        )

    def _note(self, token: Token) -> None:
        if self.scored:
            logprob: Any = token.logprobs[token.token].item()
            self.likelihood += logprob
        if self.recorder is not None:
            self._spans.add(self.recorder.entry(token.token))

    def _show(self, piece: str) -> list[Delta]:
        if self.splitter is None:
            return self._content(piece, self._length - len(piece))
        return self._parts(self.splitter.feed(piece))

    def _finish(self) -> list[Delta]:
        """Send what was held back."""
        deltas = []
        if self.splitter is not None:
            deltas = self._parts(self.splitter.finish(cut=self.reason == "length"))
        if not self.stops.stopped:
            thought = self.splitter is not None and self.splitter.state == REASONING
            self._spans.close(content=not thought)
            deltas += self._delta(self.stops.flush())
        return deltas

    def _parts(self, parts: list[Part]) -> list[Delta]:
        deltas: list[Delta] = []
        for kind, text, place in parts:
            if self.stops.stopped:
                break
            if kind == CONTENT:
                deltas += self._content(text, place)
            elif kind == REASONING:
                self.reasoning.append(text)
                deltas.append(Delta(self.task_id, text, self.index, "reasoning"))
            else:
                deltas += self._call(kind, text)
        return deltas

    def _content(self, text: str, place: int) -> list[Delta]:
        """Content that begins at character `place` of the whole output."""
        if self.recorder is not None:
            self._spans.content(place, len(text))
        return self._delta(self.stops.feed(text))

    def _call(self, kind: str, text: str) -> list[Delta]:
        """A tool call: its name, a piece of its arguments, or its end."""
        assert self.calls is not None, "the splitter looks for calls only where there are tools"
        deltas: list[Delta] = []
        for told, piece in self.calls.told(kind, text):
            if told == CLOSED:
                self.calls.close()
                continue
            call = self.calls.open(piece) if told == CALL else self.calls.add(piece)
            piece = "" if told == CALL else piece
            deltas.append(Delta(self.task_id, piece, self.index, "tool_call", call=call))
        return deltas

    def _delta(self, text: str) -> list[Delta]:
        """Content without possible stop strings."""
        told = None
        if self.recorder is not None:
            told = self._spans.shown(len(text)) or None
            self.logprobs += told or ()
        if not text and not told:
            return []
        if text:
            self.text.append(text)
        return [Delta(self.task_id, text, self.index, logprobs=told)]
