"""How an answer is written and parsed: markers of reasoning and calls, grammars, stop strings.

This module turns a payload into a Sequence and its logits processors. It does not know batches.
"""

from collections.abc import Sequence as Seq
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jobs.payloads import ChatPayload, ForcedFunction, LanguagePayload, Tool
from worker.engines.llm.answers.logprobs import LogprobRecorder
from worker.engines.llm.answers.sequence import Sequence
from worker.engines.llm.answers.splitter import Splitter
from worker.engines.llm.answers.stops import StopMatcher
from worker.engines.llm.answers.tools import (
    ToolCalls,
    answer_or_calls_grammar,
    calls_grammar,
    holds_json,
    term,
)
from worker.engines.llm.formats.channels import FINAL, HEADERS_START
from worker.engines.llm.formats.family import Family
from worker.engines.llm.formats.parts import REASONING
from worker.engines.llm.formats.typed import Tools
from worker.engines.llm.grammars.constraint import Opening, Start
from worker.engines.llm.grammars.grammar import Grammars, Written, json_grammar
from worker.engines.llm.grammars.vocabulary import Vocabulary
from worker.engines.llm.prompts.prompt import Prompt, parser_name
from worker.engines.llm.rows.sampling import Guard, LogitsProcessor, make_processors
from worker.engines.loading import LanguageModel

#: Markers of enforced calls, for models whose own format of calls is not JSON.
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"

#: Tokens at the end of a prompt that are searched for a closed block of reasoning.
_TAIL = 16


@dataclass(frozen=True, slots=True)
class _Calls:
    """The tools of a request. `enforced`: at least one call is required.

    `held`: the tools, with the schemas that their calls must match.
    """

    tools: list[Tool]
    held: list[Tool]
    enforced: bool
    several: bool
    strict: bool

    @staticmethod
    def read(payload: LanguagePayload) -> "_Calls | None":
        if not isinstance(payload, ChatPayload) or not payload.tools:
            return None
        tools, choice = payload.tools, payload.tool_choice
        if isinstance(choice, ForcedFunction):
            tools = [tool for tool in tools if tool["function"]["name"] == choice.name]
        grammars = payload.tool_grammars or {}
        return _Calls(
            tools,
            [_held(tool, payload) for tool in tools],
            enforced=choice is not None,
            several=payload.parallel_tool_calls is not False and not isinstance(choice, ForcedFunction),
            strict=any(
                tool["function"].get("strict") or tool["function"]["name"] in grammars for tool in tools
            ),
        )


class Answers:
    """The answers of one model."""

    def __init__(self, language: LanguageModel) -> None:
        self._tokenizer = language.tokenizer
        self._defaults = language.defaults
        self._json_calls = holds_json(parser_name(language.tokenizer))
        self._family = Family.of(language.tokenizer)
        self.vocabulary = Vocabulary(language.tokenizer, language.vocabulary)
        self._grammars = Grammars(self.vocabulary)

    def begin(
        self, task_id: str, index: int, payload: LanguagePayload, prompt: Prompt, seed: int
    ) -> Sequence:
        """Choice `index` of a request; `seed` makes the ids of its calls."""
        top = payload.logprobs
        sequence = Sequence(
            task_id=task_id,
            index=index,
            detokenizer=self._tokenizer.detokenizer,
            stops=StopMatcher(payload.stop or ()),
            guard=Guard(),
            recorder=None if top is None else LogprobRecorder(top, self.vocabulary),
        )
        if not isinstance(payload, ChatPayload):
            _continue(sequence.detokenizer)
            return sequence
        begun = bool(payload.continue_final_message and payload.messages[-1].get("content"))
        if begun:
            _continue(sequence.detokenizer)
        calls = _Calls.read(payload)
        # Before an enforced call, gpt-oss may write one in a message of its own, and nothing after it.
        alone = calls is not None and calls.enforced and self._family.channels
        several = calls is None or (calls.several and not alone)
        if calls is not None:
            sequence.calls = ToolCalls(seed, index, several=several, distinct=calls.enforced)
        sequence.splitter = Splitter(
            self._family,
            prompt.state,
            Tools(calls.tools) if calls is not None else None,
            several=several,
            held=payload.grammar is not None or (calls is not None and calls.enforced),
            begun=begun,
        )
        return sequence

    def prepare(self, payload: LanguagePayload) -> "Future[None] | None":
        """Compile the grammar of a request; None if it has none, or if it is compiled. See Grammars.prepare."""
        return self._grammars.prepare(lambda: self._written(payload)) if self.constrained(payload) else None

    def close(self) -> None:
        self._grammars.close()

    def processors(
        self, sequence: Sequence, payload: LanguagePayload, prompt: Prompt, most: int
    ) -> list[LogitsProcessor]:
        """The logits processors of an answer of at most `most` tokens, in order."""
        processors: list[LogitsProcessor] = make_processors(payload, self._defaults, self.vocabulary.size)
        written = self._written(payload) if self.constrained(payload) else None
        if written is not None:
            processors.append(self._grammars.constraint(written, self._start(written, payload, prompt), most))
        if sequence.recorder is not None:
            processors.append(sequence.recorder)
        return [sequence.guard.processor(each) for each in processors]

    def _written(self, payload: LanguagePayload) -> Written | None:
        """The grammar of one answer, if it has one."""
        grammar = payload.grammar if isinstance(payload, ChatPayload) else None
        schema = None if grammar is None else grammar.json_schema
        calls = _Calls.read(payload)
        if calls is not None and (calls.enforced or schema is not None):
            start, end = self._terms()
            if schema is None or calls.enforced:
                return Written(calls_grammar(calls.held, start, end, several=calls.several), "tools")
            text = answer_or_calls_grammar(schema, calls.held, start, end, several=calls.several)
            return Written(text, "tools")
        if schema is not None:
            return Written(json_grammar(schema), "response_format")
        if calls is not None and calls.strict and self._json_calls:
            text = calls_grammar(calls.held, "", self._terms()[1], several=False, opened=True)
            return Written(text, "tools", repeat=True)
        return None

    def _start(self, written: Written, payload: LanguagePayload, prompt: Prompt) -> Start:
        """Where the grammar begins. Reasoning is free, whether the prompt or the model opens it."""
        if written.repeat:
            return Start(after=(self._tokenizer.tool_call_start.encode(),), end=True)
        calls = self._family.calls.values() if written.param == "tools" else ()
        ends = tuple({each.end.encode() for each in calls if each.end})
        if prompt.state == REASONING:
            return Start(after=tuple({opening.closing for opening in self._openings.values()}), ends=ends)
        return Start() if self._silent(payload, prompt) else Start(openings=self._openings, ends=ends)

    def _silent(self, payload: LanguagePayload, prompt: Prompt) -> bool:
        """Whether reasoning is off: by the request, or because the prompt has closed it already."""
        if isinstance(payload, ChatPayload):
            options = payload.chat_template_kwargs or {}
            said = options.get(self._tokenizer._thinking_kwarg, payload.enable_thinking)
            if said is False or (said is None and payload.reasoning_effort == "none"):
                return True
        tail: str = self._tokenizer.decode(prompt.tokens[-_TAIL:])
        return tail.rstrip().endswith(tuple(self._family.thinking.values()))

    @cached_property
    def _openings(self) -> dict[int, Opening]:
        """The ways in which this model opens its reasoning, by the first token."""
        found: dict[int, Opening] = {}
        pairs = {**self._family.thinking, **({HEADERS_START: FINAL} if self._family.channels else {})}
        for start, end in pairs.items():
            tokens = self._tokenizer.encode(start, add_special_tokens=False)
            if tokens:
                found[tokens[0]] = Opening(tuple(tokens[1:]), end.encode())
        return found

    def constrained(self, payload: LanguagePayload) -> bool:
        calls = _Calls.read(payload)
        if isinstance(payload, ChatPayload) and payload.grammar is not None:
            return True
        return calls is not None and (calls.enforced or calls.strict)

    def _enforced_markers(self) -> tuple[str, str]:
        if self._json_calls:
            return self._tokenizer.tool_call_start, self._tokenizer.tool_call_end
        return _OPEN, _CLOSE

    def _terms(self) -> Seq[str]:
        return [term(marker, self._special(marker)) for marker in self._enforced_markers()]

    def _special(self, marker: str) -> int | None:
        """The id of a marker that is a special token."""
        token: int | None = self._tokenizer.get_vocab().get(marker)
        return token if token is not None and self.vocabulary.grammars.is_special_token(token) else None


def _held(tool: Tool, payload: ChatPayload) -> Tool:
    """The tool with what is enforced of its parameters."""
    function = tool["function"]
    name = function["name"]
    if (schema := (payload.tool_schemas or {}).get(name)) is not None:
        return {**tool, "function": {**function, "parameters": schema}}
    if (grammar := (payload.tool_grammars or {}).get(name)) is not None:
        return {**tool, "function": {**function, "grammar": grammar}}
    return tool


def _continue(detokenizer: Any) -> None:
    """What continues a text of the prompt: a space at its beginning is not trimmed."""
    if "text" in vars(detokenizer):
        detokenizer.text, detokenizer.offset = " ", 1
