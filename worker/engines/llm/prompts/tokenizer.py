"""Loads a model's tokenizer without the model: prompts are made as the chat engine makes them, and never read."""

from functools import cached_property
from typing import Any

from mlx_lm.utils import load_tokenizer

from jobs.errors import ContextLengthExceeded, InvalidRequest
from jobs.questions import (
    Answer,
    Asked,
    Count,
    Counted,
    Describe,
    Detokenize,
    Render,
    Template,
    Text,
    Tokenize,
    Tokens,
)
from mlxq.catalog import ModelRef
from mlxq.catalog.model_config import config_in
from worker.engines.llm.grammars.vocabulary import Vocabulary
from worker.engines.llm.prompts.prompt import UNKNOWN_CONTEXT, Prompts
from worker.engines.loading import LanguageModel, folder, known_context

#: A prompt is counted up to so many times the context of its model: one that is longer takes too long.
_CONTEXTS = 4


class TokenReader(Prompts):
    """The prompts of one model, to be counted and shown. `limit` is that of what is counted, not of the model."""

    def answer(self, asked: Asked) -> Answer:
        """Raises InvalidRequest, and ContextLengthExceeded for what is far too long to be counted."""
        match asked:
            case Count(payload):
                return Counted(sum(len(prompt.tokens) for prompt in self.read(payload)))
            case Render(payload):
                return Text(self._text(payload))
            case Tokenize():
                return self._tokenized(asked)
            case Detokenize(tokens):
                return Text(self._written(tokens))
            case Describe():
                return self._described()

    def _tokenized(self, asked: Tokenize) -> Tokens:
        encoded = self._fast(
            asked.text,
            add_special_tokens=asked.special,
            split_special_tokens=not asked.parsed,
            verbose=False,
        )
        tokens: list[int] = list(encoded["input_ids"])
        if not asked.pieces:
            return Tokens(tokens)
        pieces = {each: _piece(self._spelling.bytes_of(each)) for each in set(tokens)}
        return Tokens(tokens, [pieces[each] for each in tokens])

    def _written(self, tokens: list[int]) -> str:
        size = len(self._fast)
        if (wrong := next((each for each in tokens if each >= size), None)) is not None:
            raise InvalidRequest(
                f"Invalid 'tokens': {wrong} is no token of this model, whose ids go from 0 to {size - 1}.",
                param="tokens",
            )
        text: str = self._fast.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    def _described(self) -> Template:
        template = self._fast.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        return Template(template or "", self._fast.bos_token or "", self._fast.eos_token or "")

    def _too_long(self, param: str, tokens: int, *, more: bool = False) -> ContextLengthExceeded:
        context, have = self.limit // _CONTEXTS, "more than " if more else ""
        reason = f"This model's maximum context length is {context} tokens, but {have}{tokens} were counted"
        return ContextLengthExceeded.told(reason, tokens, context - 1, param)

    @property
    def _fast(self) -> Any:
        return self._tokenizer._tokenizer

    @cached_property
    def _spelling(self) -> Vocabulary:
        return Vocabulary(self._tokenizer, len(self._fast))


def _piece(data: bytes) -> str | list[int]:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return list(data)


def load(ref: ModelRef) -> TokenReader:
    """Read the files of the model's tokenizer and template. Raises ModelNotFound."""
    path = folder(ref)
    config = config_in(path)
    tokenizer = load_tokenizer(path, {"trust_remote_code": False}, eos_token_ids=config.get("eos_token_id"))
    return TokenReader(
        LanguageModel(
            model=None,
            tokenizer=tokenizer,
            config=config,
            defaults={},
            context_length=_CONTEXTS * (known_context(config) or UNKNOWN_CONTEXT),
            memory_bytes=0,
            vocabulary=0,
        )
    )
