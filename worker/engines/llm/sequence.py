"""One answer in the making: from tokens to what its client sees of them.

Half characters and text that may become a stop string are held back; markers of reasoning and calls are taken
out. It does not know where tokens come from.
"""

from dataclasses import dataclass, field
from typing import Any

from worker.engines.base import Delta
from worker.engines.llm.batch import Row, Token
from worker.engines.llm.logprobs import Entry, Tap
from worker.engines.llm.sampling import Guard
from worker.engines.llm.splitter import CONTENT, REASONING, Splitter
from worker.engines.llm.stops import StopMatcher
from worker.engines.llm.tools import ToolCalls


@dataclass(slots=True, eq=False)
class Sequence:
    """Feed it tokens until `reason` is set: stop, length or tool_calls."""

    task_id: str
    index: int
    detokenizer: Any
    stops: StopMatcher
    guard: Guard
    #: where log-probabilities are asked for
    tap: Tap | None = None
    splitter: Splitter | None = None
    calls: ToolCalls | None = None
    row: Row | None = None
    reason: str | None = None
    tokens: int = 0
    reasoning_tokens: int = 0
    drafted_tokens: int = 0
    #: whether its tokens' log-probabilities are summed up, for the choice among several answers
    scored: bool = False
    likelihood: float = 0.0
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    logprobs: list[Entry] = field(default_factory=list)
    _untold: list[Entry] = field(default_factory=list)

    def feed(self, token: Token) -> list[Delta]:
        """One token more. Raises what the guard has caught."""
        if self.guard.error is not None:
            raise self.guard.error
        self.tokens += 1
        self.drafted_tokens += token.drafted
        if self.splitter is not None and self.splitter.state == REASONING:
            self.reasoning_tokens += 1
        ended = token.reason is not None
        if token.reason != "stop":
            self.detokenizer.add_token(token.token)
            self._note(token)
        if ended:
            self.detokenizer.finalize()
        piece: str = self.detokenizer.last_segment
        if ended:
            piece = piece.rstrip("\ufffd")
        deltas = self._show(piece)
        if self.stops.stopped or (self.calls is not None and self.calls.full):
            self.reason = "stop"
        elif ended:
            self.reason = token.reason
            deltas += self._finish()
        if self.reason == "stop" and self.calls is not None and self.calls.made:
            self.reason = "tool_calls"
        if self.reason is not None and self._untold:
            deltas.append(self._delta("", CONTENT))
        return deltas

    def result(self) -> dict[str, Any]:
        """The choice as part of the job's result."""
        choice: dict[str, Any] = {
            "index": self.index,
            "text": "".join(self.text),
            "finish_reason": self.reason,
        }
        if self.reasoning:
            choice["reasoning"] = "".join(self.reasoning)
        if self.calls is not None and self.calls.made:
            choice["tool_calls"] = self.calls.made
        if self.tap is not None:
            choice["logprobs"] = self.logprobs
        return choice

    def _note(self, token: Token) -> None:
        if self.scored:
            logprob: Any = token.logprobs[token.token].item()
            self.likelihood += logprob
        if self.tap is None:
            return
        noted = self.tap.entry(token.token)
        if self.splitter is None or self.splitter.state == CONTENT:
            self.logprobs.append(noted)
            self._untold.append(noted)

    def _show(self, piece: str) -> list[Delta]:
        if self.splitter is None:
            return self._content(self.stops.feed(piece))
        return self._parts(self.splitter.feed(piece))

    def _finish(self) -> list[Delta]:
        """What was held back."""
        deltas = [] if self.splitter is None else self._parts(self.splitter.finish(), last=True)
        return deltas + self._content(self.stops.flush())

    def _parts(self, parts: list[tuple[str, str]], *, last: bool = False) -> list[Delta]:
        deltas: list[Delta] = []
        for kind, text in parts:
            if self.stops.stopped:
                break
            if kind == CONTENT:
                deltas += self._content(self.stops.feed(text))
            elif kind == REASONING:
                self.reasoning.append(text)
                deltas.append(self._delta(text, REASONING))
            else:
                deltas += self._call(text, cut=last and self.reason == "length")
        return deltas

    def _content(self, text: str) -> list[Delta]:
        if not text:
            return []
        self.text.append(text)
        return [self._delta(text, CONTENT)]

    def _call(self, text: str, *, cut: bool) -> list[Delta]:
        """A tool call as its deltas; what is none is content, and a call that the length has cut is nothing."""
        assert self.calls is not None, "the splitter looks for calls only where there are tools"
        made = self.calls.read(text)
        if made is None:
            return [] if cut else self._content(text.strip())
        return [
            Delta(
                self.task_id,
                call["arguments"],
                self.index,
                "tool_call",
                call={"index": number, "id": call["id"], "name": call["name"]},
            )
            for number, call in made
        ]

    def _delta(self, text: str, kind: str) -> Delta:
        if kind == REASONING:
            return Delta(self.task_id, text, self.index, "reasoning")
        untold, self._untold = self._untold, []
        return Delta(self.task_id, text, self.index, logprobs=untold or None)
