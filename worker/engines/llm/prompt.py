"""From a request to the tokens that the model reads: chats through the model's template, plain prompts as they are.

It knows tokenizers and templates, not batches.
"""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from jobs.errors import ContextLengthExceeded, InvalidRequest
from worker.engines.llm.splitter import CONTENT, REASONING
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
_TAIL = 16


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
        # Mistral's templates refuse ids of calls that are not nine letters or digits.
        self._short_ids = parser_name(language.tokenizer) == "mistral"

    def read(self, payload: dict[str, Any]) -> list[Prompt]:
        """The prompts of a payload, each short enough. Raises InvalidRequest, ContextLengthExceeded."""
        if "messages" in payload:
            return [self._checked(self._chat(payload), "messages")]
        return [self._checked(Prompt(self._plain(each)), "prompt") for each in payload["prompts"]]

    def _checked(self, prompt: Prompt, param: str) -> Prompt:
        if not prompt.tokens:
            raise InvalidRequest(f"The {param} are empty for this model.", param=param)
        if len(prompt.tokens) >= self.limit:
            raise ContextLengthExceeded(
                f"This model's maximum context length is {self.limit} tokens, but the {param} have "
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
        try:
            tokens = self._apply_template(
                [self._message(message) for message in payload["messages"]],
                tools=payload.get("tools"),
                add_generation_prompt=True,
                tokenize=True,
                **self._options(payload),
            )
        except InvalidRequest:
            raise
        except Exception as error:  # templates raise whatever their authors chose
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {error}", param="messages"
            ) from error
        return self._begun(list(tokens))

    def _begun(self, tokens: list[int]) -> Prompt:
        return Prompt(tokens, REASONING if self._reasoning_is_open(tokens) else CONTENT)

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

    def _message(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message as templates know it: arguments of calls are objects, not JSON text."""
        message = dict(message)
        if "tool_calls" in message:
            message["tool_calls"] = [self._tool_call(call) for call in message["tool_calls"]]
        if self._short_ids and "tool_call_id" in message:
            message["tool_call_id"] = _short(message["tool_call_id"])
        return message

    def _tool_call(self, call: dict[str, Any]) -> dict[str, Any]:
        function = dict(call["function"])
        # What is no JSON the model itself wrote, and it may be shown what it wrote.
        with contextlib.suppress(ValueError):
            function["arguments"] = orjson.loads(function["arguments"])
        return {**call, "id": _short(call["id"]) if self._short_ids else call["id"], "function": function}

    def _reasoning_is_open(self, tokens: list[int]) -> bool:
        start = self._tokenizer.think_start
        if start is None:
            return False
        tail: str = self._tokenizer.decode(tokens[-_TAIL:])
        return tail.rstrip().endswith(start)


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


def _short(call_id: str) -> str:
    return hashlib.sha256(call_id.encode()).hexdigest()[:9]
