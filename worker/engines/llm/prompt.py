"""From a request to the tokens that the model reads: chats through the model's template, plain prompts as they are.

It knows tokenizers and templates, not batches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from jobs.errors import ContextLengthExceeded, InvalidRequest
from worker.engines.llm.formats.family import Family
from worker.engines.llm.history import Histories, cut, opened, readable
from worker.engines.llm.parts import CONTENT, REASONING
from worker.engines.llm.traits import Message, Refusal, Tool
from worker.engines.loading import LanguageModel

#: What of rendering a template is the server's business and not the caller's.
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
#: Tokens at the end of a prompt in which an opened block of reasoning is looked for.
_TAIL = 32


@dataclass(frozen=True, slots=True)
class Prompt:
    """`tokens` are never empty. `state`: what the model writes first, CONTENT or REASONING."""

    tokens: list[int]
    state: str = CONTENT


class Prompts:
    """The prompts of one model."""

    def __init__(self, language: LanguageModel) -> None:
        self.limit = language.context_length or UNKNOWN_CONTEXT
        self._tokenizer = language.tokenizer
        self._vocabulary = language.vocabulary
        self._apply_template = _template(language.tokenizer)
        self._family = Family.of(language.tokenizer)
        # Mistral's templates refuse ids of calls that are not nine letters or digits.
        self._short_ids = parser_name(language.tokenizer) == "mistral"
        self._histories: Histories | None = None

    def read(self, payload: dict[str, Any]) -> list[Prompt]:
        """The prompts of a payload, each short enough. Raises InvalidRequest, ContextLengthExceeded."""
        if "messages" in payload:
            return [self._checked(self._chat(payload), "messages")]
        return [self._checked(Prompt(self._plain(each)), "prompt") for each in payload["prompts"]]

    def _checked(self, prompt: Prompt, param: str) -> Prompt:
        if not prompt.tokens:
            raise InvalidRequest(f"The {_are(param)} empty for this model.", param=param)
        if len(prompt.tokens) >= self.limit:
            raise ContextLengthExceeded(
                f"This model's maximum context length is {self.limit} tokens, but the {_have(param)} "
                f"{len(prompt.tokens)} tokens. Shorten the {param}.",
                param=param,
            )
        return prompt

    def _plain(self, prompt: str | list[int]) -> list[int]:
        if isinstance(prompt, str):
            # An empty prompt is the beginning of a text, if the model has a token for that.
            tokens = list(self._tokenizer.encode(prompt))
            start = self._tokenizer.bos_token_id
            return tokens or ([start] if start is not None else sorted(self._tokenizer.eos_token_ids)[:1])
        if any(not 0 <= token < self._vocabulary for token in prompt):
            raise InvalidRequest(
                f"The prompt holds a token that the model does not have: ids go from 0 to {self._vocabulary - 1}.",
                param="prompt",
            )
        return prompt

    def _chat(self, payload: dict[str, Any]) -> Prompt:
        if any(isinstance(message.get("content"), list) for message in payload["messages"]):
            raise no_images()
        return self._begun(self._tokens(self._text(payload)), payload)

    def _tokens(self, text: str) -> list[int]:
        """A rendered template's, which writes the special tokens itself."""
        tokens: list[int] = self._tokenizer._tokenizer(text, add_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        return tokens

    def _begun(self, tokens: list[int], payload: dict[str, Any]) -> Prompt:
        return Prompt(tokens, REASONING if self._reasoning_is_open(tokens, payload) else CONTENT)

    def _text(self, payload: dict[str, Any], pictures: int = 0) -> str:
        """The chat as text. `pictures`: how many it has."""
        options = self._options(payload)
        messages = readable(payload["messages"], short_ids=self._short_ids)
        goes_on = bool(payload.get("continue_final_message"))
        if goes_on:
            messages = opened(messages)
        begins = not goes_on and payload.get("add_generation_prompt", True)

        def render(messages: list[Message], tools: list[Tool] | None) -> str:
            return self._render(messages, tools, pictures, add_generation_prompt=begins, **options)

        try:
            text = self._mending().render(messages, payload.get("tools"), render)
            return cut(text) if goes_on else text
        except Refusal as error:
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {error}", param="messages"
            ) from error

    def _mending(self) -> Histories:
        if self._histories is None:
            self._histories = Histories(
                lambda messages, tools: self._render(messages, tools, 0, add_generation_prompt=True)
            )
        return self._histories

    def _render(
        self, messages: list[Message], tools: list[Tool] | None, pictures: int, **options: Any
    ) -> str:
        """Raises Refusal. What is passed to the template is its own: it may change it."""
        try:
            return str(self._apply_template(messages, tools=tools, tokenize=False, **options))
        except Exception as error:  # templates raise whatever their authors chose
            raise Refusal(str(error)) from error

    def _options(self, payload: dict[str, Any]) -> dict[str, Any]:
        """What the template hears of the request. Whether to think is left to its author, unless it is said."""
        options: dict[str, Any] = dict(payload.get("chat_template_kwargs") or {})
        if taken := RENDERING.intersection(options):
            raise InvalidRequest(
                f"chat_template_kwargs may not set '{min(taken)}'.", param="chat_template_kwargs"
            )
        thinking = payload.get("enable_thinking")
        effort = payload.get("reasoning_effort")
        if effort is not None:
            options.setdefault("reasoning_effort", effort)
            thinking = effort != "none" if thinking is None else thinking
        if thinking is not None:
            options.setdefault(self._tokenizer._thinking_kwarg, thinking)
        return options

    def _reasoning_is_open(self, tokens: list[int], payload: dict[str, Any]) -> bool:
        if payload.get("continue_final_message"):
            last = payload["messages"][-1]
            if not last["content"] and last.get("reasoning_content"):
                return True
            for start, end in self._family.thinking.items():
                if start in last["content"]:
                    return bool(last["content"].rfind(start) > last["content"].rfind(end))
        tail: str = self._tokenizer.decode(tokens[-_TAIL:])
        return self._family.opened(tail)


def no_images() -> InvalidRequest:
    return InvalidRequest("This model takes no images.", param="messages", code="unsupported_value")


def parser_name(tokenizer: Any) -> str | None:
    """Which of mlx-lm's tool parsers this tokenizer's model needs."""
    name: str | None = tokenizer.init_kwargs.get("tool_parser_type")
    return name


def _template(tokenizer: Any) -> Callable[..., Any]:
    """The function that renders messages.

    mlx-lm's wrapper switches thinking on wherever the template knows the word; what the caller does not say is
    left to the template's author instead. Templates that are Python code only the wrapper can run.
    """
    if tokenizer._chat_template is not None:
        return tokenizer.apply_chat_template  # type: ignore[no-any-return]
    return partial(tokenizer._tokenizer.apply_chat_template, return_dict=False)


def _are(param: str) -> str:
    return f"{param} {'are' if param == 'messages' else 'is'}"


def _have(param: str) -> str:
    return f"{param} {'have' if param == 'messages' else 'has'}"
