"""From a request to the tokens of its prompts: chats through the model's template, plain prompts unchanged.

This module knows tokenizers and templates. It does not know batches.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from jobs.errors import ContextLengthExceeded, InvalidRequest, ServiceUnavailable
from jobs.payloads import ChatPayload, LanguagePayload, Message, Tool
from worker.engines.llm.formats.family import Family
from worker.engines.llm.formats.parts import CONTENT, REASONING
from worker.engines.llm.prompts.boundaries import Boundaries, opening_of
from worker.engines.llm.prompts.history import Histories, cut, opened, readable
from worker.engines.llm.prompts.rendering import ChatTemplate, JinjaProcess, TemplateLimit
from worker.engines.llm.prompts.traits import Refusal
from worker.engines.llm.prompts.truncation import cut_off, cuts
from worker.engines.loading import LanguageModel

log = logging.getLogger(__name__)

#: Options of rendering that the server sets; a caller must not.
RENDERING = frozenset(
    {
        "conversation",
        "messages",
        "chat_template",
        "add_generation_prompt",
        "continue_final_message",
        "tokenize",
        "tools",
        "padding",
        "truncation",
        "max_length",
        "return_tensors",
        "return_dict",
        "return_assistant_tokens_mask",
        "tokenizer_kwargs",
    }
)
#: Context length of a model whose config.json names none.
UNKNOWN_CONTEXT = 32768
#: Characters of a payload above which it is tokenised on another thread: about 20 ms of tokenising.
LONG = 16384
#: Characters per token of the context in the beginning that is tokenised first: few texts have more.
_CHARACTERS_PER_TOKEN = 4
#: Tokens that the beginning of a text may have more by itself than within the whole text.
_CUT = 16
#: Part of the context that a chat which is cut leaves to its answer, unless that is to be shorter.
_ROOM = 4
#: Tokens at the end of a prompt that are searched for an open block of reasoning.
_TAIL = 32


@dataclass(frozen=True, slots=True)
class Prompt:
    """`tokens` are never empty. `state`: what the model writes first, CONTENT or REASONING.

    `boundaries`: numbers of tokens after which what was read should be kept, in order. Empty for models whose caches
    can be cut anywhere.
    """

    tokens: list[int]
    state: str = CONTENT
    boundaries: tuple[int, ...] = ()


class Prompts:
    """The prompts of one model."""

    def __init__(self, language: LanguageModel, jinja: JinjaProcess | None = None) -> None:
        """`jinja`: what renders its template, if that has been started already."""
        self.limit = language.context_length or UNKNOWN_CONTEXT
        #: the longest prompt for which there is memory; None: any
        self.most_tokens: Callable[[], int | None] = lambda: None
        self._tokenizer = language.tokenizer
        self._vocabulary = language.vocabulary
        self._template = ChatTemplate(language.tokenizer, jinja or JinjaProcess())
        self._family = Family.of(language.tokenizer)
        # Mistral's templates refuse ids of calls that are not nine letters or digits.
        self._short_ids = parser_name(language.tokenizer) == "mistral"
        self._boundaries = Boundaries(self._encoded) if language.needs_checkpoints else None
        #: None: the template could not be probed yet
        self._histories: Histories | None = None
        #: why the template cannot be used at all
        self._exceeded: TemplateLimit | None = None
        #: whether it has exceeded a limit: it is not used any more
        self._suspicious = False
        self._try_to_probe()

    def close(self) -> None:
        """End the process that renders templates."""
        self._template.close()

    def is_long(self, payload: LanguagePayload) -> bool:
        """Whether reading a payload takes so long that other requests must not wait for it."""
        if not isinstance(payload, ChatPayload):
            return sum(len(prompt) for prompt in payload.prompts) > LONG
        return self._suspicious or _characters(payload.messages) + _characters(payload.tools) > LONG

    def read(self, payload: LanguagePayload) -> list[Prompt]:
        """The prompts of a payload, each short enough. Raises InvalidRequest, ContextLengthExceeded."""
        if isinstance(payload, ChatPayload):
            return [self._truncated(payload) if payload.truncate else self._whole(payload)]
        return [self._checked(self._completion(each), "prompt") for each in payload.prompts]

    def _whole(self, payload: ChatPayload, room: int = 1) -> Prompt:
        return self._checked(self._chat(payload), "messages", room)

    def _truncated(self, payload: ChatPayload) -> Prompt:
        """With the newest messages that fit, where not all do."""
        try:
            return self._whole(payload)
        except ContextLengthExceeded as error:
            places = cuts(payload.messages)
            if not places:
                raise error
        room = min(max(payload.max_tokens or 0, 0) or self.limit, self.limit // _ROOM)
        low, high = 0, len(places) - 1
        fitting: Prompt | None = None
        while low < high:
            middle = (low + high) // 2
            try:
                fitting = self._whole(_from(payload, places[middle]), room)
                high = middle
            except ContextLengthExceeded:
                low = middle + 1
        return fitting or self._whole(_from(payload, places[-1]))

    def _checked(self, prompt: Prompt, param: str, room: int = 1) -> Prompt:
        """`room`: tokens that have to be left for the answer."""
        if not prompt.tokens:
            raise InvalidRequest(f"The {_are(param)} empty for this model.", param=param)
        if len(prompt.tokens) + room > self.limit:
            raise self._too_long(param, len(prompt.tokens))
        most = self.most_tokens()
        if most is not None and len(prompt.tokens) > most:
            reason = (
                f"This machine has memory for about {most} tokens of this model, but the {_have(param)} more"
            )
            raise ContextLengthExceeded.told(reason, len(prompt.tokens), most, param)
        return prompt

    def _too_long(self, param: str, tokens: int, *, more: bool = False) -> ContextLengthExceeded:
        """`more`: than these tokens."""
        reason = (
            f"This model's maximum context length is {self.limit} tokens, but the {_have(param)} "
            f"{'more than ' if more else ''}{tokens} tokens"
        )
        return ContextLengthExceeded.told(reason, tokens, self.limit - 1, param)

    def _completion(self, prompt: str | list[int]) -> Prompt:
        tokens = self._plain(prompt)
        return Prompt(tokens, boundaries=() if self._boundaries is None else (len(tokens) - 1,))

    def _plain(self, prompt: str | list[int]) -> list[int]:
        if isinstance(prompt, str):
            # An empty prompt stands for the beginning of a text, if the model has a token for it.
            tokens = self._tokens(prompt, "prompt", add_special_tokens=True)
            start = self._tokenizer.bos_token_id
            return tokens or ([start] if start is not None else sorted(self._tokenizer.eos_token_ids)[:1])
        if any(not 0 <= token < self._vocabulary for token in prompt):
            raise InvalidRequest(
                f"The prompt holds a token that the model does not have: ids go from 0 to {self._vocabulary - 1}.",
                param="prompt",
            )
        return prompt

    def _tokens(self, text: str, param: str, *, add_special_tokens: bool) -> list[int]:
        self._check_beginning(text, param)
        return self._encode(text, add_special_tokens=add_special_tokens)

    def _check_beginning(self, text: str, param: str) -> None:
        """Refuse a text that is far too long by its beginning. Raises ContextLengthExceeded."""
        enough = _CHARACTERS_PER_TOKEN * self.limit
        while enough < len(text):
            # A word at the cut has other tokens than the whole word.
            tokens = len(self._encode(text[:enough], add_special_tokens=False)) - _CUT
            if tokens >= self.limit:
                raise self._too_long(param, tokens, more=True)
            enough *= 4

    def _encoded(self, text: str) -> list[int]:
        return self._encode(text, add_special_tokens=False)

    def _encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Tokenise without holding the interpreter's lock."""
        encoded = self._tokenizer._tokenizer(text, add_special_tokens=add_special_tokens, verbose=False)
        return list(encoded["input_ids"])

    def _chat(self, payload: ChatPayload) -> Prompt:
        if any(isinstance(message.get("content"), list) for message in payload.messages):
            raise no_images()
        text = self._text(payload)
        # A rendered template contains its special tokens.
        tokens = self._tokens(text, "messages", add_special_tokens=False)
        return self._begun(tokens, payload, text)

    def _begun(self, tokens: list[int], payload: ChatPayload, text: str, images: int = 0) -> Prompt:
        state = REASONING if self._reasoning_is_open(tokens, payload) else CONTENT
        return Prompt(tokens, state, self._cuts(tokens, payload, text, images))

    def _cuts(self, tokens: list[int], payload: ChatPayload, text: str, images: int) -> tuple[int, ...]:
        """The boundaries of a prompt, whose text was rendered without an error."""
        if self._boundaries is None:
            return ()
        opening = closed = None
        messages = readable(payload.messages, short_ids=self._short_ids)
        try:
            if not payload.continue_final_message:
                closed = self._rendered(messages, payload, images, begins=False)
            if (other := opening_of(messages)) is not None:
                opening = self._rendered(other, payload, 0, begins=False)
        except (Refusal, ServiceUnavailable) as error:
            log.debug("the chat template does not render a part of a chat that it renders: %s", error)
        except TemplateLimit as error:
            log.warning(
                "only ends of prompts are kept: the chat template fails on a part of a chat: %s", error
            )
            self._boundaries = None
            return (len(tokens) - 1,)
        return self._boundaries.find(tokens, text, opening, closed)

    def _text(self, payload: ChatPayload, images: int = 0) -> str:
        """The chat as text. `images`: their number."""
        messages = readable(payload.messages, short_ids=self._short_ids)
        goes_on = payload.continue_final_message
        if goes_on:
            messages = opened(messages)
        try:
            text = self._rendered(
                messages, payload, images, begins=not goes_on and payload.add_generation_prompt
            )
            return cut(text) if goes_on else text
        except Refusal as error:
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {error}", param="messages"
            ) from error
        except TemplateLimit as error:
            self._suspicious = True
            raise InvalidRequest(f"The model's chat template fails: {error}.", param="messages") from error

    def _rendered(self, messages: list[Message], payload: ChatPayload, images: int, *, begins: bool) -> str:
        """Messages with the options of a payload. `begins`: with the beginning of the answer.

        Raises Refusal, TemplateLimit and ServiceUnavailable.
        """
        histories = self._histories or self._probe()
        options = {**self._options(payload), "add_generation_prompt": begins}
        long = self.is_long(payload)

        def render(messages: list[Message], tools: list[Tool] | None) -> str:
            return self._render(messages, tools, images, long=long, **options)

        return histories.render(messages, payload.tools, render)

    def _try_to_probe(self) -> None:
        try:
            self._probe()
        except TemplateLimit as error:
            log.error("the chat template fails: %s", error)
        except ServiceUnavailable as error:
            log.warning("the chat template is probed with the next chat: %s", error)

    def _probe(self) -> Histories:
        """Determine what the template accepts. Raises TemplateLimit and ServiceUnavailable."""
        if self._exceeded is not None:
            raise self._exceeded
        try:
            self._histories = Histories(
                lambda messages, tools: self._render(messages, tools, 0, add_generation_prompt=True)
            )
        except TemplateLimit as error:
            self._exceeded = error
            raise
        return self._histories

    def _render(self, messages: list[Message], tools: list[Tool] | None, images: int, **options: Any) -> str:
        """Raises Refusal, TemplateLimit and ServiceUnavailable."""
        return self._template.render(messages, tools, **options)

    def _options(self, payload: ChatPayload) -> dict[str, object]:
        """The template's variables from the request, which may leave reasoning to the template's default."""
        options: dict[str, object] = dict(payload.chat_template_kwargs or {})
        if taken := RENDERING.intersection(options):
            raise InvalidRequest(
                f"chat_template_kwargs may not set '{min(taken)}'.", param="chat_template_kwargs"
            )
        thinking = payload.enable_thinking
        effort = payload.reasoning_effort
        if effort is not None:
            options.setdefault("reasoning_effort", effort)
            thinking = effort != "none" if thinking is None else thinking
        if thinking is not None:
            options.setdefault(self._tokenizer._thinking_kwarg, thinking)
        return options

    def _reasoning_is_open(self, tokens: list[int], payload: ChatPayload) -> bool:
        if payload.continue_final_message:
            last = payload.messages[-1]
            if not last["content"] and last.get("reasoning_content"):
                return True
            for start, end in self._family.thinking.items():
                if start in last["content"]:
                    return bool(last["content"].rfind(start) > last["content"].rfind(end))
        tail: str = self._tokenizer.decode(tokens[-_TAIL:])
        return self._family.opened(tail)


def _from(payload: ChatPayload, place: int) -> ChatPayload:
    return structs.replace(payload, messages=cut_off(payload.messages, place))


def no_images() -> InvalidRequest:
    return InvalidRequest("This model takes no images.", param="messages", code="unsupported_value")


def parser_name(tokenizer: Any) -> str | None:
    """The name of mlx-lm's tool parser for this tokenizer's model."""
    name: str | None = tokenizer.init_kwargs.get("tool_parser_type")
    return name


def _characters(value: Any) -> int:
    """The length of all texts in a value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_characters, value.values()))
    return sum(map(_characters, value)) if isinstance(value, list) else 0


def _are(param: str) -> str:
    return f"{param} {'are' if param == 'messages' else 'is'}"


def _have(param: str) -> str:
    return f"{param} {'have' if param == 'messages' else 'has'}"
