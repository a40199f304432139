"""Splits what a model writes into content, reasoning and tool calls, without the markers between them.

mlx-lm's TextStateMachine finds the markers; here white space around them is taken away, in streams as well.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from mlx_lm.generate import TextStateMachine, make_text_state_machine

CONTENT, REASONING, TOOL = "normal", "reasoning", "tool"


@dataclass(frozen=True, slots=True)
class Markers:
    """What stands around reasoning and calls, under the names that mlx-lm's `make_text_state_machine` reads."""

    think_start: str | None = None
    think_end: str | None = None
    tool_call_start: str | None = None
    tool_call_end: str | None = None
    structural_markers: Any = None
    response_transitions: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(tokenizer: Any) -> "Markers":
        """The model's own."""
        return Markers(
            tokenizer.think_start,
            tokenizer.think_end,
            tokenizer.tool_call_start,
            tokenizer.tool_call_end,
            tokenizer.structural_markers,
            tokenizer.response_transitions,
        )

    @property
    def has_thinking(self) -> bool:
        return self.think_start is not None

    @property
    def has_tool_calling(self) -> bool:
        return self.tool_call_start is not None

    @property
    def structured(self) -> bool:
        """Whether the model writes markers even around plain content."""
        return bool(self.structural_markers or self.response_transitions)

    def with_calls(self, start: str, end: str) -> "Markers":
        return replace(self, tool_call_start=start, tool_call_end=end, response_transitions={})

    def without_calls(self) -> "Markers":
        """Where no tools are offered, markers of calls are content like any other."""
        if self.response_transitions:
            return self
        return replace(self, tool_call_start=None, tool_call_end=None)


class Splitter:
    """Feed it text as it comes; it answers with (CONTENT | REASONING, text) and (TOOL, one whole call)."""

    def __init__(self, markers: Markers, start: str = CONTENT, *, held: bool = False) -> None:
        """`start`: what comes first, as the prompt left it. `held`: content obeys a grammar, and holds no markers."""
        self._state: Any = make_text_state_machine(markers).make_state(start)
        self._call: list[str] = []
        #: white space that is shown only when something follows it
        self._space = {CONTENT: "", REASONING: ""}
        self._begun = {CONTENT: start != REASONING and not held, REASONING: False}
        self._shown = False
        self._called = False
        #: what may come before content; None where markers count everywhere
        self._leading = (
            [each for each in (markers.think_start, markers.tool_call_start) if each] if held else None
        )
        self._verbatim = False

    @property
    def state(self) -> str:
        """What the next text will be, as far as is known."""
        state: str = self._state[0]
        return state

    def feed(self, text: str) -> list[tuple[str, str]]:
        if self._leading is not None and self.state == CONTENT and not self._called:
            text = self._begin_content(self._leading, text)
        if self._verbatim:
            return self._take([(CONTENT, text)])
        self._state, segments = TextStateMachine.split(self._state, text)
        return self._take(segments)

    def finish(self) -> list[tuple[str, str]]:
        """What was held back, when no more text will come."""
        self._state, rest, state = TextStateMachine.flush(self._state)
        parts = self._take([(state, rest)])
        if self._call:
            parts.append((TOOL, "".join(self._call)))
            self._call = []
        # White space at the end is the model's own, unless it belongs to a call.
        space = self._space[CONTENT]
        if space and self._begun[CONTENT] and not self._called:
            parts.append((CONTENT, space))
        return parts

    def _begin_content(self, leading: list[str], text: str) -> str:
        """The text, with what was held back for the sake of markers where content has begun."""
        name, _, states, held = self._state
        begun = (held + text).lstrip()
        if self._verbatim or not begun or any(begun.startswith(each[: len(begun)]) for each in leading):
            return text
        self._verbatim = True
        self._state = (name, states[name][0], states, "")
        return str(held + text)

    def _take(self, segments: list[tuple[str, str]]) -> list[tuple[str, str]]:
        parts = []
        for place, (state, text) in enumerate(segments):
            ends = place < len(segments) - 1
            if state == TOOL:
                self._called = True
                self._call.append(text)
                if ends:
                    parts.append((TOOL, "".join(self._call)))
                    self._call = []
            elif shown := self._trim(state, text):
                parts.append((state, shown))
                self._shown = self._shown or state == CONTENT
            if state == REASONING and not self._shown:
                # What follows the reasoning begins on a line of its own.
                self._begun[CONTENT] = False
        return parts

    def _trim(self, state: str, text: str) -> str:
        if not self._begun[state]:
            text = text.lstrip()
            if not text:
                return ""
            self._begun[state] = True
        text = self._space[state] + text
        shown = text.rstrip()
        self._space[state] = text[len(shown) :]
        return shown
